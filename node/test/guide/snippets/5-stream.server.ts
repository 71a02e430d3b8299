// server
import { withNenStream } from '@withnen/server';
export const POST = withNenStream(async (req, body) => {
async function* tokens() {
for (const word of ['secure', 'streaming', 'works']) yield word + ' ';
}
return tokens();
});
