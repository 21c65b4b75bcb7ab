"""Edit tokens: who may change which part of a running run, by a credential made for one task of it.

`grant` says what is allowed, `biscuit` puts that into a signed token, `denials` decides what a patch may do under it.
Import from the modules: workers take `biscuit` without the graph's side of it.
"""
