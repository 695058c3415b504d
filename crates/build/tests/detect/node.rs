//! Node.js: servers, pages, package managers.

use expect_test::expect;

use super::check;

#[test]
fn a_node_server_with_a_build_leaves_out_what_only_the_build_needs() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "tsc", "start": "node dist/main.js"},
                   "dependencies": {"@nestjs/core": "11", "bcrypt": "6"}, "devDependencies": {"typescript": "5"}}"#,
            ),
            ("package-lock.json", "{}"),
            (".nvmrc", "v20.11.1\n"),
            (
                "src/main.ts",
                "await app.listen(process.env.PORT ?? 3000);\n@Get('/health')\n",
            ),
            (
                ".env.example",
                "PORT=3000\nDATABASE_URL=postgres://localhost/x\n",
            ),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                .nvmrc: Node.js v20.11.1; 20.11.1 is taken.
                package-lock.json: packages are installed with npm, exactly these.
                Some packages have install scripts: the build base with compilers is taken.
                package.json: @nestjs/core is a dependency: NestJS.
                package.json: the start script is `node dist/main.js`; it is run without npm, so that it is told to stop.
                src/main.ts:1 reads PORT: it is told to listen on 3000.
                src/main.ts:2 answers /health: it is the readiness check.
                package.json: the build script is run (`tsc`).
                .env.example: The program may need DATABASE_URL; example values are not taken over. Set them: `pluvio config set NAME=VALUE`, or `env` and `secrets` in app.yaml.
            runs ["node", "dist/main.js"], http 3000, ready at /health, 512Mi
            in node-build:20.11.1
              dependencies: npm ci --prefer-offline --include=dev
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              packages to run: rm -rf /out/packages && mkdir -p /out/packages && cp -a package.json package-lock.json node_modules /out/packages/ && for file in .npmrc .yarnrc; do if [ -f $file ]; then cp $file /out/packages/; fi; done && cd /out/packages && npm prune --omit=dev --ignore-scripts
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /out/packages/node_modules
              build: npm run build
                from **
            on node:20.11.1
              /out/packages/node_modules -> /app/node_modules without .cache (a layer of packages to run)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

#[test]
fn pages_are_built_and_served_as_files() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"dev": "vite", "build": "vite build", "preview": "vite preview"}, "devDependencies": {"vite": "7"}}"#,
            ),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            (
                "vite.config.ts",
                "export default { build: { outDir: './out' } }",
            ),
            ("index.html", "<div>"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                pnpm-lock.yaml: packages are installed with pnpm, exactly these.
                package.json: Vite builds files (vite.config: out), and no server is started.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:default
              dependencies: npx --yes pnpm@9 install --frozen-lockfile --prefer-offline --prod=false
                from package.json pnpm-lock.yaml .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/out -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "react-scripts start", "build": "react-scripts build"}, "dependencies": {"react-scripts": "5"}}"#,
            ),
            ("yarn.lock", "# yarn lockfile v1\n"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                yarn.lock: packages are installed with yarn, exactly these.
                package.json: Create React App builds files (by its default: build), and no server is started.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:default
              dependencies: npx --yes yarn@1.22.22 install --frozen-lockfile --non-interactive --prefer-offline --production=false
                from package.json yarn.lock .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/build -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
}

#[test]
fn next_is_a_server_unless_it_exports() {
    let package = r#"{"scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}, "engines": {"node": ">=18 <21"}}"#;
    check(
        &[("package.json", package), ("package-lock.json", "{}")],
        expect![[r#"
            node
                package.json: a Node.js package.
                package.json engines: Node.js >=18 <21; 20 is taken.
                package-lock.json: packages are installed with npm, exactly these.
                package.json: next is a dependency: Next.js.
                package.json: the start script is `next start`; it is run without npm, so that it is told to stop.
                Next.js listens on PORT: it is told 3000.
                package.json: the build script is run (`next build`).
            runs ["next", "start"], http 3000, 512Mi
            in node:20
              dependencies: npm ci --prefer-offline --include=dev
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on node:20
              /app/node_modules -> /app/node_modules without .cache (a layer of dependencies)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    check(
        &[
            ("package.json", package),
            ("next.config.mjs", "export default { output: 'export' }"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                package.json engines: Node.js >=18 <21; 20 is taken.
                There is no lock file: npm chooses the packages' versions at each install.
                next.config: the export is static; out is served.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:20
              dependencies: npm install --no-package-lock --prefer-offline --include=dev
                from package.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/out -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
}

#[test]
fn a_node_program_without_scripts_is_found_by_its_name() {
    check(
        &[
            ("package.json", r#"{"name": "x"}"#),
            ("index.js", "http.createServer(f).listen(4000)"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                index.js is there, and no start script says otherwise.
                index.js:1 listens on 4000.
            runs ["node", "index.js"], http 4000, 512Mi
            on node:default
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    check(
        &[("package.json", "{}"), ("readme.md", "")],
        expect![[r#"
        source.unknown
            package.json has no start script, and none of the usual files (server.js, index.js …) is there.
            Add a `start` script to package.json, or `command: [node, FILE]` to app.yaml.
    "#]],
    );
    check(
        &[("package.json", "{\n  \"name\": oops\n}")],
        expect![[r#"
        spec.invalid
            package.json is not valid JSON: expected value at line 2 column 11.
            Correct it; `npm pkg get name` shows whether npm can read it.
    "#]],
    );
}

#[test]
fn a_procfile_says_what_runs() {
    check(
        &[
            ("package.json", r#"{"scripts": {"start": "node x.js"}}"#),
            (
                "Procfile",
                "web: node server.js --port $PORT\nrelease: npm run migrate\nworker: node worker.js\n",
            ),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                Procfile: the web process runs `node server.js --port $PORT`.
                No port is named in the source: it is told to listen on 8080 by the variable PORT.
                Procfile.release: `npm run migrate` is not run before releases by detection alone. Run it when it is needed (`pluvio exec -- npm run migrate`), or as a part of the program's start.
                Procfile.worker: The process `worker` is not part of this component. Add a component to app.yaml with the same source and `command: node worker.js`.
            runs `exec node server.js --port $PORT` in a shell, http 8080, 512Mi
            on node:default
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

#[test]
fn installing_reads_the_source_where_hooks_do() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "node a.js && true", "postinstall": "node setup.js"}, "dependencies": {"a": "file:./a"}, "devDependencies": {"b": "1"}}"#,
            ),
            ("yarn.lock", "__metadata:\n"),
            ("a.js", ""),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                yarn.lock: packages are installed with yarn, exactly these.
                package.json: the start script is `node a.js && true`, run by npm.
                No port is named in the source: it is told to listen on 8080 by the variable PORT.
            runs ["npm", "start"], http 8080, 512Mi
            in node:default
              dependencies: npx --yes @yarnpkg/cli-dist@4 install --immutable
                from ** to /app/node_modules
            on node:default
              /app/node_modules -> /app/node_modules without .cache (a layer of dependencies)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}
