"""
What every connector that speaks HTTP stands on: transport, sign-in, budget, client.

It names no system. `transport` is the only module that opens sockets.
"""
