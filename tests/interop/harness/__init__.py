"""What puts the peers against each other: the matrix, and one database behind all servers."""
