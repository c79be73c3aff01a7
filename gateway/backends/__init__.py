"""What carries calls out: services in this process, and servers in the private network."""
