"""A real Tryton, for tests and the demo: nothing here simulates it.

`template` makes a database with a company in it, once for each set of versions; `server` runs
trytond, a program of another environment and licence, in a process of its own; `rpc` talks to
it and `acts` does what people do there.
"""
