"""make bench: appnet beside other proxies, all of them measured in one run on this machine."""
