"""Astrodynamics of the Earth-Moon system: orbit families, DE440 flight, frames and exchange."""
