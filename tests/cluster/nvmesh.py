"""What the tests of NVMesh have in common: where its client shows itself, and a service that needs nothing but a volume."""

from __future__ import annotations

from lab.network import FLOATING, SERVICE

PROC = "/run/nvmesh-proc/nvmeibc"


def config(timing: str) -> str:
    """Write a cluster.yaml whose last part is the service `pg`: more services may follow it."""
    return f"""\
cluster: lab
hosts:
  srv-a: {{heartbeats: [{{interface: hb0, address: 10.78.0.1}}]}}
  srv-b: {{heartbeats: [{{interface: hb0, address: 10.78.0.2}}]}}
timing: {{advert: 0.05, {timing}}}
nvmesh: {{proc: {PROC}}}
services:
  pg:
    hosts: [srv-a, srv-b]
    volumes: [{{name: vol1}}]
    mounts: [{{volume: vol1, path: /srv/pg, fstype: ext4}}]
    addresses: [{{address: {FLOATING}/24, interface: {SERVICE.interface}}}]
"""
