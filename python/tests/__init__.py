"""The tests of the package, over real sockets where a server belongs."""
