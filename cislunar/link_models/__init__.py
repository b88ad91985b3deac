"""Models of a link's parts, each from its own recommendation; they know terminals, but no nodes.

- ``bands``: the band plan; ``modcod``: rates and what each needs;
- ``antenna``: patterns; ``noise``: what air, Moon and Sun add; ``atmosphere``: what the air takes;
- ``optical``: telescopes, their pointing and background.
"""
