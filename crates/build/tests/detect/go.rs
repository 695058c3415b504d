//! Go: which program of a module.

use expect_test::expect;

use super::check;

#[test]
fn the_program_of_a_go_module_is_chosen_by_name() {
    let main = "package main\n\nfunc main() {\n\thttp.ListenAndServe(\":9000\", nil)\n}\n";
    check(
        &[
            (
                "go.mod",
                "module example.org/shop/v2\n\ngo 1.23\n\nrequire github.com/mattn/go-sqlite3 v1\n",
            ),
            ("go.sum", ""),
            ("cmd/shop/main.go", main),
            ("cmd/tool/main.go", "package main\nfunc main() {}\n"),
            ("templates/page.html", "x"),
        ],
        expect![[r#"
            go
                go.mod: the module example.org/shop/v2.
                go.mod: Go 1.23 or newer; the default builds it.
                cmd/shop/main.go: the program that is built.
                Other programs of the module are not built: ./cmd/tool.
                C code is linked in: the C compiler is used.
                cmd/shop/main.go:4 listens on 9000.
                templates/ is copied beside the program, which may read it.
            runs ["/usr/local/bin/app"], http 9000, 256Mi
            in go:default
              modules: go mod download
                from go.mod go.sum go.work **/go.mod
              build: go build -trimpath -ldflags='-s -w' -o /out/app ./cmd/shop
                from ** to /out/app
            on run:default
              /app/templates -> /app/templates without **/*.go
              /out/app -> /usr/local/bin/app (a layer of build)
        "#]],
    );
    check(
        &[
            ("go.mod", "module x\n"),
            ("cmd/one/main.go", main),
            ("cmd/two/main.go", main),
        ],
        expect![[r#"
            source.unknown
                The module holds several programs: ./cmd/one, ./cmd/two.
                Say which: `build: { command: go build -o /out/app ./cmd/one }`.
        "#]],
    );
    check(
        &[("go.mod", "module x\n"), ("lib.go", "package x\n")],
        expect![[r#"
            source.unknown
                No file of the module is `package main` with a `func main()`, so there is no program to build.
                Deploy the module that has the program, or name a folder with `source: { path: … }`.
        "#]],
    );
}
