"""The lab: real daemons behind real NAT routers, in network namespaces of one machine (root needed)."""
