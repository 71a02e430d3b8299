// client
await client.rotate(); // tears down old session, handshakes a new one
// All subsequent nenFetch calls automatically use the new session
