use expect_test::{Expect, expect};

/// Each problem as `LINE:COLUMN PATH code: cause remedy`.
fn check(text: &str, want: Expect) {
    let (_, problems) = crate::app::check(text, "app.yaml");
    let shown: String = problems
        .iter()
        .map(|problem| {
            let at = problem.at.clone().unwrap_or_default();
            format!(
                "{}:{} {} {}\n    {}\n    {}\n",
                at.line.unwrap_or_default(),
                at.column.unwrap_or_default(),
                at.path,
                problem.code,
                problem.cause,
                problem.remedy
            )
        })
        .collect();
    want.assert_eq(&shown);
}

const WHOLE: &str = include_str!("../../tests/shop.yaml");

#[test]
fn the_example_of_the_interface_is_right() {
    check(WHOLE, expect![[""]]);
}

#[test]
fn a_component_runs_one_thing() {
    check(
        "
name: shop
components:
  web: { source: { path: . }, image: nginx }
  none: {}
  db: { kind: database, database: postgres, image: postgres }
  far: { kind: external }
  night: { kind: cron, image: report, instances: 2 }
  day: { kind: cron, image: report, schedule: 60 * * * *, routes: [] }
  plain: { image: a, schedule: 0 3 * * *, build: {} }
  lasting: { image: a, once: true }
  first: { kind: job, image: a, once: true }
",
        expect![[r#"
            4:3 components.web spec.conflict
                It has a `source` and an `image`, but it can run one of them only.
                Remove `image` to build the source, or `source` to run the image.
            5:3 components.none spec.invalid
                It has neither a `source` nor an `image`, so there is nothing to run.
                Add `source: { path: . }` to build this folder, or `image: NAME:TAG`.
            6:35 components.db.database spec.invalid
                `postgres` does not name an engine and its version.
                Write ENGINE@VERSION, such as postgres@17.
            6:52 components.db.image spec.conflict
                A component of kind database has no `image`.
                Remove `image`, or make it `kind: service`.
            7:3 components.far spec.invalid
                An external component needs its address.
                Add `external: { addresses: [HOST] }`.
            8:3 components.night spec.invalid
                A cron component needs the times it runs at.
                Add `schedule: "0 3 * * *"` (minute, hour, day, month, weekday).
            8:50 components.night.instances spec.conflict
                A component of kind cron runs once each time, so it has no `instances`.
                Remove `instances`.
            9:47 components.day.schedule spec.invalid
                `60 * * * *` is not a schedule: `60` is no minute from 0 to 59.
                Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).
            9:59 components.day.routes spec.conflict
                A cron has no `routes`: nobody can call it.
                Remove `routes`.
            10:32 components.plain.schedule spec.conflict
                `schedule` belongs to `kind: cron`; this is a service.
                Add `kind: cron`, or remove `schedule`.
            10:43 components.plain.build spec.conflict
                It has `build` but no `source` to build.
                Add `source: { path: . }`, or remove `build`.
            11:30 components.lasting.once spec.conflict
                `once` belongs to `kind: job`; this is a service.
                Add `kind: job`, or remove `once`.
        "#]],
    );
}

#[test]
fn names_must_refer_to_something() {
    check(
        "
name: shop
components:
  web:
    image: nginx
    ports: { http: { port: 80 } }
    uses: [bd, web]
    groups: [comon]
    networks: [back]
    env:
      A: ${db.url}
      B: ${nobody.url}
      C: ${secrets.KEY} ${secrets.KEY}
      D: ${settings.SIZE}
      E: ${MISSING}
      F: ${PORT} ${MISSING:-x} ${LOG:?set it} $${NOT} $HOME
      G: ${open
      H: ${H}
    routes: [{ port: htp }]
    probes: { ready: { tcp: { port: web } } }
    publish: [{ host: 80, port: other }]
  db: { kind: database, database: postgres@15 }
secrets: { KEYS: {} }
groups: { common: {} }
",
        expect![[r#"
            7:12 components.web.uses[0] spec.unknown-reference
                There is no component `bd`.
                Did you mean `db`? Otherwise declare it under `components`.
            7:16 components.web.uses[1] spec.conflict
                A component cannot wait for itself.
                Remove it; its own variables are there anyway.
            8:14 components.web.groups[0] spec.unknown-reference
                There is no group `comon`.
                Did you mean `common`? Otherwise declare it under `groups` at the top of the file.
            9:16 components.web.networks[0] spec.unknown-reference
                There is no network `back`.
                Declare it under `networks` at the top of the file.
            11:10 components.web.env.A spec.unknown-reference
                `${db.url}` is not known here: this component does not use `db`.
                Add `uses: [db]`; then it starts after it and may reach it.
            12:10 components.web.env.B spec.unknown-reference
                There is no component `nobody`.
                There is web, db. Otherwise declare it under `components`, or write $${ for the characters themselves.
            13:10 components.web.env.C spec.unknown-reference
                There is no secret `KEY`.
                Did you mean `KEYS`? Otherwise declare it: `secrets: { KEY: { generate: false } }`.
            14:10 components.web.env.D spec.unknown-reference
                There is no setting `SIZE`.
                Declare it: `settings: { SIZE: { default: … } }`.
            17:10 components.web.env.G spec.invalid
                ${open is not a reference: its } is missing.
                Close it, or write $$ for a dollar.
            18:10 components.web.env.H spec.conflict
                `H` refers to itself.
                Write the value, or `${H:-default}` under another name.
            19:22 components.web.routes[0].port spec.unknown-reference
                There is no port `htp`.
                Did you mean `http`? Otherwise declare it under `ports`.
            20:37 components.web.probes.ready.tcp.port spec.unknown-reference
                There is no port `web`.
                There is http. Otherwise declare it under `ports`.
            21:33 components.web.publish[0].port spec.unknown-reference
                There is no port `other`.
                There is http. Otherwise declare it under `ports`.
        "#]],
    );
}

#[test]
fn parts_must_not_contradict_each_other() {
    check(
        "
name: shop
components:
  a:
    image: x
    instances: 2
    ports: { one: { port: 80 }, two: { port: 80 }, dns: { port: 53, protocol: udp } }
    volumes:
      /data: { name: data }
      /cache: { type: memory, name: c }
      /home: { type: host }
      /lost: {}
    files: { /data: { content: x, reload: { signal: HUPP } } }
    probes: { ready: { http: { path: x }, tcp: {}, failures: 0 }, live: {} }
    resources: { cpu: { request: 2, limit: 1 }, memory: { limit: 512 } }
    rollout: { surge: 0 }
    routes: [{ host: shop.localhost, path: /a/ }, { exact: true }]
    uses: [b]
  b:
    image: y
    volumes: { /data: { name: data, size: 1Gi } }
    routes: [{ host: shop.localhost, path: /a }]
    publish: [{ host: 90, port: 1 }, { host: 90, port: 2 }]
    uses: [a]
    env: { X: '${Y}', Y: '${X}' }
    build: { target: t }
  secrets: { image: z }
",
        expect![[r#"
            6:16 components.a.instances spec.conflict
                Several instances cannot share the volume `data`, which is exclusive.
                Write `access: shared` if the program can share it, `kind: stateful` for a volume for each instance, or `instances: 1`.
            7:33 components.a.ports.two spec.conflict
                `two` and `one` are the same port, 80.
                Keep one of them.
            10:37 components.a.volumes./cache.name spec.conflict
                Only volumes of `type: disk` have names.
                Remove `name`.
            11:7 components.a.volumes./home spec.invalid
                It does not say which folder of the machine.
                Add `hostPath: /…`, or `hostVolume` for a volume that the engine has.
            12:7 components.a.volumes./lost spec.invalid
                The volume has no name, so a later release could not find its data.
                Add `name: …`.
            13:14 components.a.files./data spec.conflict
                A volume is mounted at the same path.
                Give one of them another path.
            13:35 components.a.files./data.reload spec.conflict
                `reload` is for files that change while the program runs.
                Add `hot: true`, or remove `reload`.
            14:15 components.a.probes.ready spec.conflict
                It has 2 checks (http, tcp); a probe is one.
                Keep one of them.
            14:38 components.a.probes.ready.http.path spec.invalid
                `x` is not a path.
                Begin it with `/`.
            14:62 components.a.probes.ready.failures spec.invalid
                `failures: 0` would mean an answer before any check.
                Choose 1 or more.
            14:67 components.a.probes.live spec.invalid
                It says nothing to check.
                Add one of `http: { path: /healthz }`, `tcp: {}` and `command: […]`.
            15:18 components.a.resources.cpu spec.conflict
                It asks for 2, which is more than its limit.
                Raise `limit`, or lower `request`.
            15:66 components.a.resources.memory.limit spec.invalid
                No program runs in 512 of memory.
                Write the unit: 512Mi, 1Gi. The least is 6Mi.
            16:5 components.a.rollout spec.conflict
                With `surge: 0` and `unavailable: 0` no instance could ever be replaced.
                Let one of them be 1.
            17:51 components.a.routes[1] spec.conflict
                `exact` needs a `path`.
                Add `path: /…`, or remove `exact`.
            18:5 components.a.uses spec.conflict
                Each waits for the next: a → b → a.
                Remove one of these `uses`; a component that is only called now and then need not be waited for.
            21:16 components.b.volumes./data spec.conflict
                The volume `data` is exclusive, and component `a` has it already.
                Write `access: shared` in both, or give this one a volume of its own.
            22:14 components.b.routes[0] spec.conflict
                `shop.localhost` with the path `/a` leads to component `a` already.
                Give one of them another host or path, or remove it.
            23:38 components.b.publish[1] spec.conflict
                The machine's port 90 is published by component `b` already.
                Choose another `host` port for one of them.
            25:15 components.b.env.X spec.conflict
                `X` is made of variables that are made of `X`.
                Write one of the values out.
            26:5 components.b.build spec.conflict
                It has `build` but no `source` to build.
                Add `source: { path: . }`, or remove `build`.
            27:3 components.secrets spec.conflict
                `secrets` cannot be a component's name: `${secrets.…}` means something else.
                Choose another name.
        "#]],
    );
}

#[test]
fn two_exports_of_one_name_are_a_conflict_in_their_consumer() {
    check(
        "
name: shop
components:
  a: { image: a, exports: { URL: 'http://a' } }
  b: { image: b, exports: { URL: 'http://b', TOKEN: '1' } }
  both: { image: c, uses: [a, b], env: { X: '${b.TOKN} ${a.host}' } }
  apart: { image: c, uses: [a, { component: b, as: B }], env: { X: '${URL} ${B_URL} ${B_TOKEN}' } }
",
        expect![[r#"
            6:31 components.both.uses[1] spec.conflict
                `a` and `b` both export `URL` to this component.
                Give one of them a prefix: `uses: [{ component: …, as: PREFIX }]`.
            6:45 components.both.env.X spec.unknown-reference
                There is no export of `b` called `TOKN`.
                Did you mean `TOKEN`? Otherwise declare it: `exports: { TOKN: … }` in `b`.
        "#]],
    );
}

#[test]
fn what_is_outside_says_where_and_how_it_is_reached() {
    check(
        "
name: shop
components:
  web: { image: web, uses: [bank, mail], env: { A: \"${bank.url}\", B: \"${mail.key}\" } }
  bank: { kind: external, external: { addresses: [bank.example, bank.example] }, ports: { api: { port: 80 } } }
  mail: { kind: external, image: mail, external: { addresses: [10.0.0.5] }, env: { A: b }, instances: 2 }
  own:
    kind: external
    external: { addresses: [127.0.0.1, localhost, 169.254.169.254, \"::1\", 0.0.0.0, 224.0.0.1] }
    ports: { a: { port: 80 } }
  said:
    kind: external
    external: { addresses: [127.0.0.1], local: true }
    ports: { a: { port: 80 } }
  two:
    kind: external
    external: { addresses: [\"10.0.0.5:81\"], check: { command: [look] } }
    ports: { a: { port: 80 }, b: { port: 81, protocol: udp } }
    probes: { ready: { tcp: {} } }
    uses: [bank]
",
        expect![[r#"
            4:70 components.web.env.B spec.unknown-reference
                There is no export of `mail` called `key`.
                There is host, port, url. Otherwise declare it: `exports: { key: … }` in `mail`.
            5:65 components.bank.external.addresses[1] spec.conflict
                `bank.example` is there twice.
                Remove one.
            6:3 components.mail spec.invalid
                It has no `ports`, so nobody could reach it.
                Add what it listens on: `ports: { db: { port: 5432, protocol: tcp } }`.
            6:34 components.mail.image spec.conflict
                A component of kind external has no `image`.
                Remove `image`, or make it `kind: service`.
            6:77 components.mail.env spec.conflict
                A component of kind external does not run here, so it has no `env`.
                Remove `env`.
            6:103 components.mail.instances spec.conflict
                A component of kind external does not run here, so it has no `instances`.
                Remove `instances`.
            9:29 components.own.external.addresses[0] spec.invalid
                `127.0.0.1` is this machine itself, or a network of it alone.
                If that is meant, add `local: true` under `external`; it needs the permission host:access.
            9:40 components.own.external.addresses[1] spec.invalid
                `localhost` is this machine itself, or a network of it alone.
                If that is meant, add `local: true` under `external`; it needs the permission host:access.
            9:51 components.own.external.addresses[2] spec.invalid
                `169.254.169.254` is this machine itself, or a network of it alone.
                If that is meant, add `local: true` under `external`; it needs the permission host:access.
            9:68 components.own.external.addresses[3] spec.invalid
                `::1` is this machine itself, or a network of it alone.
                If that is meant, add `local: true` under `external`; it needs the permission host:access.
            9:75 components.own.external.addresses[4] spec.invalid
                `0.0.0.0` is the address of nobody, and no host outside.
                Write the address of one host.
            9:84 components.own.external.addresses[5] spec.invalid
                `224.0.0.1` is the address of a group, and no host outside.
                Write the address of one host.
            17:29 components.two.external.addresses[0] spec.conflict
                `10.0.0.5:81` has a port of its own, and the component has several: which is meant?
                Write the address without a port, or make a component for each port.
            17:54 components.two.external.check.command spec.conflict
                There is no container to run a command in.
                Check with `http` or `tcp`.
            18:56 components.two.ports.b.protocol spec.invalid
                UDP is not passed on to addresses outside.
                Remove the port; give the address itself to what uses it, in its `env`.
            19:5 components.two.probes spec.conflict
                A component of kind external is asked by its `check`.
                Move what `ready` says to `external: { check: … }`, and remove `probes`.
            20:5 components.two.uses spec.conflict
                A component of kind external does not run here, so it has no `uses`.
                Remove `uses`.
        "#]],
    );
    check(
        "
name: shop
components:
  bad: { kind: external, external: { addresses: [http://bank] }, ports: { a: { port: 80 } } }
",
        expect![[r#"
            4:50 components.bad.external.addresses[0] spec.invalid
                `components.bad.external.addresses[0]`: "http://bank" is no address of a host: write 10.0.0.5, db.example.org, or one of them with a port, 10.0.0.5:5432.
                Correct the value; `pluvio schema app` describes each.
        "#]],
    );
}

#[test]
fn sidecars_and_init_steps_run_something() {
    check(
        "
name: shop
components:
  web:
    image: web
    sidecars:
      log: {}
      main: { image: log }
      own: { command: [log] }
      both: { image: log, probes: { ready: { tcp: { port: nothing } } } }
    init:
      both: { image: log }
      wait: { image: wait, probes: { ready: { tcp: {} } } }
  seed:
    kind: job
    image: seed
    sidecars: { log: { image: log } }
",
        expect![[r#"
            7:7 components.web.sidecars.log spec.invalid
                It has neither an `image` nor a `command`: it would be the component once more.
                Add `image: NAME:TAG`, or a `command` to run another program of the component's own image.
            8:7 components.web.sidecars.main spec.conflict
                The component's own container is called `main`.
                Give it another name.
            10:59 components.web.sidecars.both.probes.ready.tcp.port spec.unknown-reference
                There is no port `nothing`.
                Declare it under `ports`.
            12:7 components.web.init.both spec.conflict
                A sidecar is called `both` too.
                Give one of them another name.
            13:28 components.web.init.wait.probes spec.conflict
                An init step ends before the component starts; it has no probes.
                Remove `probes`, or make it a sidecar.
            17:17 components.seed.sidecars.log spec.conflict
                It comes to an end, and a sidecar runs as long as its instance: which of them would end it?
                Make it an `init` step, or a component of its own.
        "#]],
    );
}

#[test]
fn what_scales_itself_knows_its_bounds_and_what_it_goes_by() {
    check(
        r#"
name: shop
components:
  good:
    image: a
    resources: { cpu: { request: 100m }, memory: { limit: 64Mi } }
    scale:
      min: 2
      max: 10
      cpu: 70
      memory: 80
      custom: [{ metric: http_requests, perInstance: "100" }, { metric: queue, of: external, labels: { queue: mail }, perInstance: 500m }]
      schedule: [{ cron: "0 8 * * 1-5", timeZone: Europe/Berlin, min: 5 }]
  clock: { image: a, scale: { min: 1, schedule: [{ cron: "0 8 * * *", min: 3 }] } }
  both: { image: a, instances: 2, scale: { min: 2 } }
  none: { image: a, scale: { min: 0, max: 3, cpu: 70 } }
  turned: { image: a, resources: { cpu: { limit: "1" } }, scale: { min: 3, max: 2, cpu: 0 } }
  open: { image: a, scale: { min: 1, custom: [{ metric: "a b", perInstance: many }] } }
  wrong: { image: a, scale: { min: 1, schedule: [{ cron: "0 25 * * *", max: 3 }, { cron: "0 1 * * *", timeZone: here }] } }
  night: { kind: cron, image: a, schedule: "0 3 * * *", scale: { min: 1, max: 2, cpu: 70 } }
  alone: { image: a, volumes: { /data: { name: data } }, scale: { min: 1, schedule: [{ cron: "0 8 * * *", min: 3 }] } }
"#,
        expect![[r#"
            15:32 components.both.instances spec.conflict
                It has `instances` and `scale`, and only one of them can say how many there are.
                Remove `instances`: it begins with `scale.min`.
            15:35 components.both.scale spec.invalid
                It names neither a figure to go by nor a time, so the number never changes.
                Add `cpu: 70`, `memory: 80`, `custom: […]` or `schedule: […]`, or write `instances: 2` instead.
            16:35 components.none.scale.min spec.invalid
                With no instance there is nothing to measure, and nobody answers.
                Write 1 or more; `pluvio stop` ends all.
            16:51 components.none.scale.cpu spec.invalid
                It is per cent of the cpu that an instance asks for, and it asks for none.
                Add `resources: { cpu: { request: 250m } }`.
            17:81 components.turned.scale.max spec.conflict
                It is less than `min`, 3.
                Write `min` or more.
            17:89 components.turned.scale.cpu spec.invalid
                0 per cent is no share to aim at.
                Write a number from 1 to 1000, such as 70.
            18:21 components.open.scale spec.invalid
                It says what to go by, and not how many instances there may be at most.
                Add `max: …`.
            18:57 components.open.scale.custom[0].metric spec.invalid
                `a b` is not the name of a metric.
                Write it as the metrics API tells it, such as `http_requests_per_second`.
            18:77 components.open.scale.custom[0].perInstance spec.invalid
                `many` is not a number to aim at.
                Write one above nothing: `100`, `2.5`, `500m` (thousandths), `10k`.
            19:58 components.wrong.scale.schedule[0].cron spec.invalid
                `0 25 * * *` is not a schedule: `25` is no hour from 0 to 23.
                Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).
            19:77 components.wrong.scale.schedule[0].max spec.conflict
                Nothing takes the number beyond `min`: `scale` names no figure to go by.
                Write `min: …` here, or add `cpu: 70`, `memory: 80` or `custom: […]` to `scale`.
            19:82 components.wrong.scale.schedule[1] spec.invalid
                It changes neither `min` nor `max`.
                Add `min: …`, `max: …` or both, or remove it.
            19:113 components.wrong.scale.schedule[1].timeZone spec.invalid
                `here` is not a time zone's name.
                Write one as in the time zone database: Europe/Berlin, Asia/Shanghai, UTC.
            20:57 components.night.scale spec.conflict
                A component of kind cron does not scale by itself.
                Remove `scale`; services and stateful components have it.
            21:58 components.alone.scale spec.conflict
                Several instances cannot share the volume `data`, which is exclusive.
                Write `access: shared` if the program can share it, `kind: stateful` for a volume for each instance, or `instances: 1`.
        "#]],
    );
}

#[test]
fn a_network_is_shared_by_one_name_and_leads_out() {
    check(
        "
name: shop
components:
  web:
    image: nginx
networks:
  default: { shared: corporate }
  twice: { shared: corporate }
  inside: { shared: bank, internal: true }
  odd: { shared: 'a b' }
",
        expect![[r#"
            8:20 networks.twice.shared spec.conflict
                Another network of the application is shared as `corporate` already.
                Put the components on that one, or choose another name.
            9:21 networks.inside.shared spec.conflict
                A network without a way out leads to no other application.
                Take `internal` or `shared` out; components can be on one network of each kind.
            10:18 networks.odd.shared spec.invalid
                `a b` is no name that a network can be shared by.
                Write letters, digits, `_`, `.` and `-`, a letter or digit first.
        "#]],
    );
}

#[test]
fn names_on_a_network_belong_to_one_that_the_component_is_on() {
    check(
        "
name: shop
components:
  web:
    image: nginx
    networks: [back, default]
    networkAliases: { back: [db, 'a b'], front: [shop] }
networks: { back: {}, front: {} }
",
        expect![[r#"
            7:34 components.web.networkAliases.back[1] spec.invalid
                `a b` is not a host name.
                Write letters, digits, dashes and dots, such as `db` or `db.internal`.
            7:42 components.web.networkAliases.front spec.conflict
                The component is not on the network front.
                Name the network in `networks`, or write the names into `aliases`.
        "#]],
    );
}

#[test]
fn schedules_are_checked_whole() {
    check(
        "
name: shop
components:
  a: { kind: cron, image: a, schedule: { cron: '60 0 * * *', timeZone: Europe/Berlln } }
  b: { kind: cron, image: a, schedule: { cron: '0 0 30 2 *', timeZone: europe/berlin } }
  c: { kind: cron, image: a, schedule: { cron: '0 0 * * *', overlap: true }, volumes: { /d: { name: d } } }
  d: { kind: cron, image: a, schedule: { cron: '0 0 * * *', overlap: true }, volumes: { /d: { name: e, access: shared } } }
",
        expect![[r#"
            4:48 components.a.schedule.cron spec.invalid
                `60 0 * * *` is not a schedule: `60` is no minute from 0 to 59.
                Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).
            4:72 components.a.schedule.timeZone spec.invalid
                `Europe/Berlln` is not a time zone's name.
                Write one as in the time zone database: Europe/Berlin, Asia/Shanghai, UTC.
            5:48 components.b.schedule.cron spec.invalid
                `0 0 30 2 *` is not a schedule: it never fires, for no month in it has such a day.
                Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).
            6:70 components.c.schedule.overlap spec.conflict
                Runs that overlap cannot share the volume `d`, which is exclusive.
                Write `access: shared` if the program can share it, or take `overlap` out.
        "#]],
    );
}

#[test]
fn a_probes_request_has_no_references() {
    check(
        "
name: shop
image: a
ports: { http: { port: 80 } }
secrets: { KEY: {} }
settings: { HOST: { default: a } }
probes:
  ready: { http: { path: /ok, headers: { A: 'Bearer ${secrets.KEY}', B: '${settings.HOST}', C: '$5' } } }
",
        expect![[r#"
            8:45 probes.ready.http.headers.A spec.invalid
                `${secrets.KEY}` would be sent as it stands: nothing is put into a probe's request.
                Ask without it, or write `command: …`: a program in the container has the secret as a variable.
            8:73 probes.ready.http.headers.B spec.invalid
                `${settings.HOST}` would be sent as it stands: nothing is put into a probe's request.
                Write the value itself, or `command: …`, which has the container's variables.
        "#]],
    );
}
