"""What outcomes say of the claims of an entry."""

from __future__ import annotations


def settle(entry, calls, outcomes) -> dict[str, tuple[list[int], str]]:
    """What the outcomes say of each claim of an entry, about a program or about what is drawn: the ids of its calls,
    and the sign of how it is broken, "" where it holds."""
    found = {}
    for name, proof in entry.claims.items():
        group = [
            call.id
            for call in calls
            if (call.check.entry, call.check.kind, call.check.case) == (entry.name, "proof", name)
        ]
        facts = [outcomes[id].structure[1] for id in group if id in outcomes and not outcomes[id].failure]
        if group and len(facts) == len(group):
            broken = proof.broken(facts)
            found[name] = group, broken.sign if broken else ""
    for call in calls:
        if (
            call.check.entry == entry.name
            and call.check.kind == "draws"
            and call.id in outcomes
            and not outcomes[call.id].failure
        ):
            broken = entry.frequencies[call.check.case].broken(call.known, drawn_of(outcomes[call.id]))
            found[call.check.case] = [call.id], broken.sign if broken else ""
    return found


def drawn_of(outcome):
    """What was drawn: of a module that holds more than its parameters, the output alone."""
    value = outcome.value
    return value["output"] if isinstance(value, dict) and {*value} == {"output", "variables"} else value


def settled(entry, calls, outcomes) -> dict:
    """The outcomes with each proof's facts reduced to what they say of it, so that two programs that break it in the
    same manner agree."""
    reduced = dict(outcomes)
    for group, sign in settle(entry, calls, outcomes).values():
        reduced |= {id: type(outcomes[id])(f"broken: {sign}" if sign else "holds") for id in group}
    return reduced
