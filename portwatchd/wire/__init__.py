"""Pure grammars: bytes go in, replies come out. Nothing here knows of a socket, a clock or an event loop."""
