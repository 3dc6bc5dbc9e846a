"""How species move together, counted from the hops as they happen: observables that an input's `analysis` asks for.

Each module is called like its entry there and is an observable of `..observables`; `kernels` are their compiled loops.
"""
