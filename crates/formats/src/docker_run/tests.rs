use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, want: Expect) {
    let import = read_alone(text, None, &[]);
    let mut out = String::new();
    if import.errors.is_empty() {
        out.push_str(&crate::app::write(&import.spec));
    }
    for row in &import.report {
        out.push_str(&format!(
            "{} {}: {}\n",
            row.outcome.as_str(),
            row.at,
            row.message
        ));
    }
    for problem in &import.errors {
        out.push_str(&format!(
            "{} {} {}\n",
            problem.code, problem.cause, problem.remedy
        ));
    }
    want.assert_eq(&out);
}

#[test]
fn c7_a_line_becomes_a_component() {
    check(
        "$ sudo docker run -dit --name=web_1 \\\n  -p 8080:80 -e 'A=b c' `#optional` \\\n  -e B=$HOME -v data:/data --shm-size 64m --restart unless-stopped --health-cmd \"curl localhost\" nginx:1 -g 'daemon off;'\n",
        expect![[r#"
            apiVersion: pluvio/v1
            name: web-1
            components:
              web-1:
                image: docker.io/library/nginx:1
                command: ["-g", daemon off;]
                ports:
                  http: { port: 80 }
                imagePorts: true
                env:
                  A: b c
                  B: "$$HOME"
                volumes:
                  /data: { name: data }
                probes:
                  startup:
                    command: curl localhost
                    period: 5s
                    timeout: 30s
                    failures: 1000000
                  ready:
                    command: curl localhost
                    period: 30s
                    timeout: 30s
                    failures: 3
                restart: always
                aliases: [web_1]
                options: { tty: true, stdin: true, shmSize: 64Mi }
            ignored --detach: Applications run in the background.
            refused --env: The shell would put a variable of its own here; it is taken as it is written.
            adapted services.web_1: The component is called `web-1`; `web_1` stays one of its names on the network.
            adapted --restart: It is restarted always; `pluvio stop` stops it all the same.
            adapted --health-cmd: It becomes the readiness probe, asked every 5s until it succeeds once: only ready instances get requests.
            adapted --name: `web_1` is a name on the network; containers are named after application, component and instance.
            adapted --volume: The volume data is not declared; it is one of the application, `data`.
            adapted --publish: 8080:80 looks like HTTP: it is reached through the gateway, at the application's address, and redeploys lose no request.
        "#]],
    );
}

#[test]
fn c7_several_commands_become_one_application() {
    check(
        "docker network create app\ndocker run -d --network app --name db postgres:17 && docker run --link db:database --rm -p80:80 app\ncurl localhost | sh\n",
        expect![[r#"
            apiVersion: pluvio/v1
            name: db
            components:
              db:
                kind: stateful
                image: docker.io/library/postgres:17
                imagePorts: true
                routes: []
                networks: [app]
                aliases: [database]
              app:
                image: docker.io/library/app:latest
                ports:
                  http: { port: 80 }
                imagePorts: true
                uses: [db]
            networks:
              app: { shared: app }
            adapted docker network create app: The application has a network and volumes of its own: nothing has to be made before.
            ignored --detach: Applications run in the background.
            ignored --rm: Pluvio removes what has ended.
            refused curl localhost: It runs no container, and is not run here.
            refused sh: It runs no container, and is not run here.
            adapted --name: `db` is a name on the network; containers are named after application, component and instance.
            adapted --link: It starts after db, which `database` leads to for every component.
            adapted --publish: 80:80 looks like HTTP: it is reached through the gateway, at the application's address, and redeploys lose no request.
        "#]],
    );
}

#[test]
fn what_is_wrong_is_told() {
    check(
        "docker run -p 80:80",
        expect![[r#"
        source.missing The line names no image: what follows the flags is the image, and nothing does. Write the image behind the flags; a flag before it may have taken it for its value.
    "#]],
    );
    check(
        "docker run --nmae x nginx",
        expect![[r#"
            apiVersion: pluvio/v1
            name: nginx
            components:
              nginx:
                image: docker.io/library/nginx:latest
                imagePorts: true
                restart: on-failure
                routes: []
            refused --nmae: There is no such flag.
        "#]],
    );
    check(
        "docker run 'open",
        expect![[r#"
        spec.invalid In line 1 a single quote is not closed. Close the quote.
    "#]],
    );
}

/// A value that each flag would have.
fn usual(flag: &str) -> &'static str {
    match flag {
        "publish" => "8081:81",
        "volume" | "tmpfs" => "/x",
        "mount" => "type=tmpfs,dst=/y",
        "env" | "label" | "annotation" | "sysctl" => "a.b=1",
        "ulimit" => "nofile=5",
        "add-host" => "h:1.2.3.4",
        "restart" => "on-failure:2",
        "memory" | "memory-reservation" | "memory-swap" | "shm-size" => "64m",
        "dns" => "1.1.1.1",
        "pid" | "ipc" | "uts" | "userns" | "cgroupns" => "host",
        "workdir" | "entrypoint" => "/w",
        "health-interval" | "health-timeout" | "health-start-period" | "health-start-interval" => {
            "7s"
        }
        "cpu-period" | "cpu-quota" => "5000",
        "health-retries" => "7",
        "stop-signal" => "INT",
        "link" | "volumes-from" => "other",
        "network" => "net",
        _ => "3",
    }
}

#[test]
fn c7_every_documented_flag_changes_the_specification_or_has_a_row() {
    let outcome = |flags: &str| {
        let text = format!("docker run --name other img\ndocker run --health-cmd x {flags} img");
        let import = read_alone(&text, None, &[]);
        format!("{:?}{:?}{:?}", import.spec, import.report, import.errors)
    };
    let before = outcome("");
    for flag in flags::ALL {
        for name in flag.long().split(' ') {
            let value = match flag.takes {
                Takes::Switch => String::new(),
                Takes::Value => format!("={}", usual(name)),
            };
            assert_ne!(outcome(&format!("--{name}{value}")), before, "--{name}");
        }
    }
    assert_eq!(
        refused(&read_alone("docker run --pod x img", None, &[]).report),
        ["--pod"]
    );
}

proptest::proptest! {
    #[test]
    fn any_line_is_read_or_refused(text in "docker run [-a-z =:/'\"$(){},0-9\n\\\\]{0,80}") {
        let _ = read_alone(&text, None, &[]);
    }
}

#[test]
fn variables_of_the_shell_are_put_in_where_they_are_given() {
    let given = [("TAG", "7"), ("WORD", "a b $TAG"), ("LATE", "x")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = |line: &str| {
        let import = read_alone(line, None, &given[..2]);
        let component = &import.spec.components[0];
        let value = component.env.values().next().map(|value| value.0.clone());
        let rows: Vec<_> = refused(&import.report);
        (value.unwrap_or_default(), import.unset, rows)
    };
    let none = || (Vec::<String>::new(), Vec::<String>::new());
    for (line, want) in [
        ("-e A=$WORD", "a b $$TAG"),
        ("-e A=\"x ${WORD}\"", "x a b $$TAG"),
        ("-e A=$TAG$TAG.${TAG}0", "77.70"),
        // As the shell, nothing in single quotes and nothing that is escaped.
        ("-e 'A=$WORD $NONE'", "$$WORD $$NONE"),
        ("-e A=\\$TAG", "$$TAG"),
        ("-e A=\"\\$TAG\"", "$$TAG"),
        ("-e A=$5", "$$5"),
    ] {
        // Each value is put in somewhere: one that is not is told of.
        let line = format!("docker run {line} -l a=$TAG -l b=$WORD img");
        let (value, unset, rows) = read(&line);
        assert_eq!((value.as_str(), (unset, rows)), (want, none()), "{line}");
    }
    let (value, unset, rows) =
        read("docker run -e A=$NONE -v $PWD:/here -l b=$WORD -l c=$TAG img ${LATER:-x}");
    assert_eq!(value, "$$NONE");
    // One with a default of its own does without.
    assert_eq!(unset, ["NONE"]);
    assert_eq!(rows, ["--env"]);
    // One that no line names comes to nothing, and that is said.
    let import = read_alone("docker run img:$TAG", None, &given);
    assert_eq!(refused(&import.report), ["--env WORD", "--env LATE"]);
    assert_eq!(
        import.spec.components[0]
            .image
            .as_ref()
            .unwrap()
            .to_string(),
        "docker.io/library/img:7"
    );
}

/// The only component of a line, which has nothing wrong in it.
fn alone(text: &str) -> pluvio_model::spec::ComponentSpec {
    let import = read_alone(text, None, &[]);
    assert_eq!(import.errors, [], "{text}");
    assert_eq!(import.spec.components.len(), 1, "{text}");
    import.spec.components[0].clone()
}

#[test]
fn what_people_paste_around_a_line_does_not_change_it() {
    let plain = alone("docker run -d -p 80:80 -v data:/data nginx:1");
    for text in [
        "$ docker run -d -p 80:80 -v data:/data nginx:1",
        "# docker run -d -p 80:80 -v data:/data nginx:1",
        "root@host:/# docker run -d -p 80:80 -v data:/data nginx:1",
        "PS C:\\Users\\me> docker run -d -p 80:80 -v data:/data nginx:1",
        "```bash\ndocker run -d -p 80:80 -v data:/data nginx:1\n```",
        "sudo -E /usr/bin/docker --context far run -d -p 80:80 -v data:/data nginx:1",
        "ID=$(docker run -d -p 80:80 -v data:/data nginx:1)",
        "docker stop web; docker rm web; docker run -d -p 80:80 -v data:/data nginx:1",
        "docker create -p 80:80 -v data:/data nginx:1",
        "docker run -d -p 80:80 -v data:/data nginx:1 > /dev/null 2>&1 &",
        "docker run -d -p 80:80 \\ # a note\n -v data:/data \\\n nginx:1",
        "docker run -d \\\n # -e OLD=1 \\\n -p 80:80 \\\n\n -v data:/data \\\n nginx:1",
        "  $ docker run -d \\\n  >  -p 80:80 \\\n  >  -v data:/data nginx:1",
        "docker run \u{2013}d \u{2013}p 80:80 \u{2014}volume data:/data nginx:1",
        "docker run -d -p published=80,target=80 -v data:/data nginx:1",
        "docker run -d -p ${PORT:-80}:80 -v data:/data nginx:1",
        "TAG=1\nexport NAME=data\ndocker run -d -p 80:80 -v $NAME:/data nginx:$TAG",
    ] {
        assert!(is_run(text), "{text}");
        assert_eq!(alone(text), plain, "{text}");
    }
    let seconds = |text: &str| alone(&format!("docker run --stop-timeout {text} img"));
    assert_eq!(seconds("\"10s\""), seconds("10"));
    // Files of other formats tell of such lines as well.
    for text in [
        "# docker run -d nginx\nservices:\n  web:\n    image: nginx\n",
        "services:\n  ci:\n    command: |\n      docker run x\n",
        "docker ps\n",
        "lxc run x",
    ] {
        assert!(!is_run(text), "{text}");
    }
}

#[test]
fn folders_and_files_of_a_line_begin_where_one_is() {
    for (line, want) in [
        ("--mount type=bind,source=\"$(pwd)\"/data,target=/d", "data"),
        ("--mount type=bind,source=${PWD}/data,target=/d", "data"),
        ("-v ${pwd}/data:/d", "data"),
        ("-v \"$PWD\\data:/d\"", "data"),
        ("--mount 'type=volume,src=data,\"dst=/d\"'", "data"),
    ] {
        let component = alone(&format!("docker run {line} img"));
        let volume = component.volumes.values().next();
        let name = volume.and_then(|volume| volume.name.as_ref());
        assert_eq!(
            name.map(ToString::to_string).as_deref(),
            Some(want),
            "{line}"
        );
    }
    let import = read_alone("docker run --env-file a.env -v $HOME/x:/x img", None, &[]);
    assert_eq!(import.unset, [""; 0]);
    assert!(
        import.errors[0]
            .remedy
            .contains("the folder that you are in")
    );
}

#[test]
fn what_a_program_would_answer_is_left_out() {
    let text =
        "docker run --user \"$(id -u):$(id -g)\" -e \"K=$(openssl rand 8)\" -l 'a=Host(`x`)' img";
    let import = read_alone(text, None, &[]);
    assert_eq!(refused(&import.report), ["--user", "--env"]);
    let component = &import.spec.components[0];
    assert_eq!(component.user, None);
    assert!(component.env.is_empty());
    let import = read_alone(
        "docker run -e K=<your key> -v <path to it>:/x img",
        None,
        &[],
    );
    assert_eq!(refused(&import.report), ["--env", "--volume"]);
    assert_eq!(import.errors, []);
}

#[test]
fn a_variable_that_is_named_alone_is_the_shells() {
    let given = [("A".to_owned(), "1".to_owned())];
    let import = read_alone("B=2 docker run -e A -e B img", None, &given);
    let env: Vec<_> = import.spec.components[0].env.values().collect();
    assert_eq!(
        env.iter().map(|value| value.0.as_str()).collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(refused(&import.report), [""; 0]);
    let import = read_alone("docker run --link db:d -e A img", None, &given);
    assert_eq!(
        import.errors[0].remedy,
        "Paste the line that runs it along, or take the flag out."
    );
}

#[test]
fn what_is_said_of_the_network_is_said_of_the_one_that_is_named() {
    let line = "docker run --network n --network-alias a --ip 10.0.0.5 img\n";
    let import = read_alone(&format!("{line}docker run --network m other"), None, &[]);
    let component = &import.spec.components[0];
    assert_eq!(
        component
            .aliases
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["a"]
    );
    assert_eq!(component.networks.len(), 1);
    assert_eq!(refused(&import.report), [""; 0]);
}

#[test]
fn a_network_from_elsewhere_is_shared_by_its_name() {
    let import = read_alone("docker run --network app_net img", None, &[]);
    assert_eq!(import.errors, []);
    assert_eq!(refused(&import.report), [""; 0]);
    let shared = |import: &Import| -> Vec<String> {
        let all = import.spec.networks.values();
        all.filter_map(|network| network.shared.clone()).collect()
    };
    assert_eq!(shared(&import), ["app_net"]);
    let said: Vec<&str> = import
        .report
        .iter()
        .filter(|row| row.at == "--network")
        .map(|row| row.message.as_str())
        .collect();
    assert!(
        said.iter().any(|message| message.contains("`app_net`")),
        "{said:?}"
    );
    assert!(
        said.iter().all(|message| !message.contains("not declared")),
        "{said:?}"
    );
    for line in [
        "docker run --network bridge img",
        "docker run --network none img",
        "docker run --network host img",
        "docker run --ip 10.0.0.5 img",
    ] {
        assert_eq!(shared(&read_alone(line, None, &[])), [""; 0], "{line}");
    }
}

#[test]
fn what_commands_printed_is_no_command() {
    let import = read_alone(
        "$ docker run -d img\n4f2a\n$ docker ps\nNAMES\nimg\n",
        None,
        &[],
    );
    assert_eq!(import.errors, []);
    assert_eq!(refused(&import.report), [""; 0]);
    assert_eq!(import.spec.components.len(), 1);
}

#[test]
fn long_texts_take_time_as_they_are_long() {
    let begun = std::time::Instant::now();
    for text in [
        format!("docker run \\\n{}-d img", "\n".repeat(250_000)),
        format!("docker run \" {}", "\\ # ".repeat(60_000)),
        format!("{}docker run img $NONE", "A=1 # \n".repeat(36_000)),
        format!(
            "{}docker run {} img",
            "A=1\n".repeat(30_000),
            "$B".repeat(60_000)
        ),
        format!("docker run img{}", " <a <b >c".repeat(28_000)),
        "$ docker run img\n".repeat(1_500),
    ] {
        let _ = (is_run(&text), read_alone(&text, None, &[]));
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn the_folder_that_one_is_in_is_named_anywhere_in_a_value() {
    use pluvio_model::spec::VolumeKind;
    for word in ["$(pwd)", "\"$PWD\"", "${PWD}", "`pwd`"] {
        let first = format!("docker run -v {word}:{word} -w {word} img");
        let line = format!("{first}\ndocker run -v {word}/a:{word}/b img");
        let import = read_alone(&line, None, &[]);
        assert_eq!(import.errors, [], "{line}");
        assert_eq!(refused(&import.report), [""; 0], "{line}");
        let shown: Vec<String> = import
            .spec
            .components
            .values()
            .map(|component| {
                let places = component.volumes.keys().map(ToString::to_string);
                let folder = component.working_dir.iter().map(ToString::to_string);
                places.chain(folder).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(shown, ["/work /work", "/work/b"], "{line}");
        let volumes = import.spec.components[0].volumes.values();
        assert!(volumes.into_iter().all(|one| one.kind == VolumeKind::Disk));
    }
    let component = alone("docker run -e 'A=$PWDX' -e B=$PWD/x img");
    let env: Vec<&str> = component.env.values().map(|value| &*value.0).collect();
    assert_eq!(env, ["$$PWDX", "/work/x"]);
}

#[test]
fn what_is_quoted_stays_as_it_is_written() {
    let value = |words: &str| {
        let component = alone(&format!("docker run {words} img"));
        component.env.values().next().unwrap().0.clone()
    };
    for (words, want) in [
        ("-e 'A=cd $PWD && x'", "cd $$PWD && x"),
        ("-e A=\\$PWD", "$$PWD"),
        ("-e A=\"\\$PWD is $PWD\"", "$$PWD is /work"),
        ("-e 'A=$(pwd) `pwd`'", "$$(pwd) `pwd`"),
        ("-e \"A=%h%cd%x\"", "%h%cd%x"),
        ("-e A=%cd%/x", "/work/x"),
        ("-e A='%cd%/x'", "%cd%/x"),
    ] {
        assert_eq!(value(words), want, "{words}");
    }
    // A value of a variable is not looked into, except where the text itself sets it.
    let given = [("B".to_owned(), "$PWD".to_owned())];
    let line = "C=$PWD/c\ndocker run -e A=$B -e D=$C img";
    let import = read_alone(line, None, &given);
    let env = import.spec.components[0].env.values();
    let env: Vec<&str> = env.map(|value| &*value.0).collect();
    assert_eq!(env, ["$$PWD", "/work/c"]);
    let probe = alone("docker run --health-cmd 'test -f $PWD/ok && [ $(id -u) = 0 ]' img").probes;
    let probe = serde_json::to_string(&probe).unwrap();
    assert!(
        probe.contains("$PWD/ok") && probe.contains("$(id -u)"),
        "{probe}"
    );
    // What can be nothing else in a path of the machine is meant, however it is quoted.
    let import = read_alone("docker run -v '$PWD/data:/d' img", None, &[]);
    assert_eq!(import.errors, []);
    assert_eq!(refused(&import.report), [""; 0]);
}

#[test]
fn what_compose_hands_to_the_engine_a_line_does_as_well() {
    let component = alone(
        "docker run --storage-opt size=20G --blkio-weight 300 --device-read-bps /dev/sda:1mb --device-read-bps /dev/sdb:2mb --blkio-weight-device /dev/sda:200 --cpuset-mems 0,1 --volume-driver local img",
    );
    let patch = serde_json::to_value(&component.patch).unwrap();
    assert_eq!(
        patch["engine"]["HostConfig"],
        serde_json::json!({
            "CpusetMems": "0,1",
            "StorageOpt": { "size": "20G" },
            "BlkioWeight": 300,
            "BlkioWeightDevice": [{ "Path": "/dev/sda", "Weight": 200 }],
            "BlkioDeviceReadBps": [
                { "Path": "/dev/sda", "Rate": 1_048_576 },
                { "Path": "/dev/sdb", "Rate": 2_097_152 },
            ],
        })
    );
    let import = read_alone("docker run --volume-driver nfs img", None, &[]);
    assert_eq!(refused(&import.report), ["--volume-driver"]);
}

#[test]
fn escapes_between_quotes_with_a_dollar_are_read() {
    let env = alone("docker run -e A=$'\\x1c$B' -e B=\"$'x'\" img").env;
    let values: Vec<&str> = env.values().map(|value| &*value.0).collect();
    assert_eq!(values, ["\u{1c}$$B", "$$'x'"]);
}

#[test]
fn a_folder_of_windows_is_named_however_it_is_written() {
    for volume in [
        r"-v D:\data:/data",
        r#"-v "D:\data:/data""#,
        r"-v D:\my\data:/data",
        r"--volume=D:\data:/data",
    ] {
        let import = read_alone(&format!("docker run {volume} img"), None, &[]);
        assert_eq!(import.errors, [], "{volume}");
        let mut rows = import.report.iter();
        assert!(
            rows.any(|row| row.message.contains("names a folder of Windows")),
            "{volume}: {:?}",
            import.report
        );
    }
    // Elsewhere it is the shell's.
    let env = alone(r"docker run -e A=D:\data img").env;
    assert_eq!(env.values().next().unwrap().0, "D:data");
}

#[test]
fn what_an_image_exposes_may_all_be_published() {
    let component = alone("docker run -P img");
    // As of an image by itself: its ports are known once it is pulled, and have a route.
    assert!(!component.image_ports);
    assert!(component.ports.is_empty());
    assert_eq!((component.routes, component.restart), (None, None));
    for line in [
        "docker run -P -p 80:80 img",
        "docker run -P=false img",
        "docker run -P postgres:17",
    ] {
        let component = alone(line);
        assert!(component.image_ports, "{line}");
        let report = read_alone(line, None, &[]).report;
        assert!(
            report.iter().any(|row| row.at == "--publish-all"),
            "{line}: {report:?}"
        );
    }
}
