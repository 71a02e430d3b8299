package nen_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The Go of README.md compiles: programs as they stand, and parts in a function, with the packages that they use.
func TestTheGoOfTheReadmeCompiles(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(string(must(os.ReadFile("README.md"))), -1)
	if len(blocks) < 5 {
		t.Fatalf("there are %d blocks of Go", len(blocks))
	}
	files := token.NewFileSet()
	compiled := importer.ForCompiler(files, "gc", exports(t))
	for i, block := range blocks {
		file, err := parser.ParseFile(files, fmt.Sprintf("README.md, block %d", i+1), program(block[1]), 0)
		if err != nil {
			t.Error(err)
			continue
		}
		config := types.Config{Importer: compiled, Error: func(err error) {
			// A part may leave unused what it declares, and what it is given.
			if known, ok := err.(types.Error); !ok || !known.Soft {
				t.Error(err)
			}
		}}
		_, _ = config.Check("readme", files, []*ast.File{file}, nil) // Its errors went to the above.
	}
}

// program makes a file of a part of one.
func program(code string) string {
	if strings.HasPrefix(code, "package ") {
		return code
	}
	imports := "import (\n\"context\"\n\"net/http\"\n\"os\"\nnen \"github.com/withnen/nen/bindings/go\""
	if own, rest, ok := strings.Cut(code, "\n)\n"); ok && strings.HasPrefix(own, "import (") {
		imports, code = own+"\n\"context\"", rest
	}
	return "package readme\n" + imports + "\n)\nfunc part(ctx context.Context) (err error) {\n" + code + "return nil\n}\n"
}

// exports finds the compiled packages that this module uses.
func exports(t *testing.T) importer.Lookup {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".", "./redisstore")
	list.Stderr = os.Stderr
	paths := map[string]string{}
	for line := range strings.Lines(string(must(list.Output()))) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		paths[path] = export
	}
	return func(path string) (io.ReadCloser, error) {
		export, err := os.ReadFile(paths[path])
		return io.NopCloser(bytes.NewReader(export)), err
	}
}
