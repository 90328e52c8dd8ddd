"""What the integration tests are made of: sidecars, certificates, application servers and hostile
peers.
"""
