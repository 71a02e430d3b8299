// client
for await (const chunk of client.nenStream('/api/chat', {
method: 'POST',
body: JSON.stringify({ prompt }),
})) {
process.stdout.write(chunk); // decrypted token-by-token
}
