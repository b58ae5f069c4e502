"""Emulated machines with a kernel of their own, for what this machine's kernel has not: NVMe, SCSI, DRBD.

from lab.vm.farm import Farm

with Farm() as farm:
    farm.nvme.connect(farm.a)
    farm.a.run(("nvme", "resv-report", farm.nvme.device(farm.a)))
"""
