// The usage guide in a project that has the package: `compile`d, with its imports from a package or from its paths, or run
// in a format. Usage: node guide.mjs DIRECTORY compile [PACKAGE] | mjs | cjs
import { compileGuide, runCompiled } from '../../node/test/guide/run.mjs';

const [directory, action, name] = process.argv.slice(2);
if (action === 'compile') await compileGuide(directory, name && (() => name));
else await runCompiled(directory, action);
