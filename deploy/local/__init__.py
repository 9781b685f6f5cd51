"""The local stack: private servers and every service, on free loopback ports, under one folder."""
