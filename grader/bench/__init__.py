"""How long it all takes, beside plain pytest, as ratios within one run; and whether a class run bears what a class can
do to it."""
