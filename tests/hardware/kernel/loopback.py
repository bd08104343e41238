"""Switch the loopback interface on, as root: a kernel that has just booted has it off, and `ip` may be missing."""

import fcntl
import socket
import struct

SIOCSIFFLAGS = 0x8914
IFF_UP = 1

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inet:
    fcntl.ioctl(inet, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
