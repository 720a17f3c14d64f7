"""What runs beside us, how it talks, and what is kept between runs."""
