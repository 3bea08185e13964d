"""Our own sockets: messages, keys, encrypted servers and clients, numbered streams."""
