"""Faults from outside: real servers and etcd in network namespaces, real disks, clients whose history
is checked. run_faults.py runs them."""
