"""python -m vip_core: the command `vip` without its console script."""

from vip_core.cli import main

main()
