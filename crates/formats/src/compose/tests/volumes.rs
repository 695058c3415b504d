//! Which volume is whose, and how folders of the machine are mounted.

use super::*;

#[test]
fn what_is_called_alike_has_volumes_of_its_own() {
    let names = |text: &str| -> Vec<String> {
        let import = read_text(text);
        assert_eq!(import.errors, [], "{text}");
        let components = import.spec.components.values();
        let mounts = components.flat_map(|component| &component.volumes);
        let shown = mounts.map(|(target, mount)| {
            let name = mount.name.as_ref().map_or("", |name| name.as_str());
            format!("{target}={name}")
        });
        shown.collect()
    };
    assert_eq!(
        names(
            "
services:
  web:
    image: localhost/web:1
    volumes: ['./data:/a', 'data:/b', /data, './web/data:/c']
  worker:
    image: localhost/worker:1
    volumes: ['./data:/a', 'data:/b']
volumes: { data: {} }
"
        ),
        [
            "/a=data-2",
            "/b=data",
            "/data=web-data",
            "/c=web-data-2",
            "/a=data-2",
            "/b=data",
        ]
    );
    // Where nothing else is called so, each has the plain name.
    assert_eq!(
        names(
            "
services:
  web:
    image: localhost/web:1
    volumes: ['./data:/a', /data, './web/conf:/c', 'kept:/d']
"
        ),
        ["/a=data", "/data=web-data", "/c=web-conf", "/d=kept"]
    );
}

#[test]
fn mounts_that_the_machine_makes_later_are_seen_where_an_engine_alone_mounts() {
    let import = read_text(
        "
services:
  meter:
    image: localhost/meter:1
    volumes:
      - /:/host:ro,rslave
      - /run/udev:/udev:rslave,ro
      - /srv:/srv:rprivate
      - { type: bind, source: /opt, target: /opt, read_only: true, bind: { propagation: slave } }
      - /mnt:/mnt:rshared
      - /media:/media:rslave
      - kept:/kept:rslave
volumes: { kept: {} }
",
    );
    assert_eq!(import.errors, []);
    let patch = serde_json::to_value(&import.spec.components["meter"].patch).unwrap();
    assert_eq!(
        patch["engine"]["HostConfig"]["Binds"],
        serde_json::json!(["/:/host:ro,rslave"])
    );
    let words = ["private`", "slave`", "shared`"];
    let rows = import.report.iter();
    let rows = rows.filter(|row| words.iter().any(|word| row.message.contains(word)));
    let outcomes: Vec<&str> = rows.map(|row| row.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        [
            "adapted", "ignored", "adapted", "refused", "refused", "refused"
        ]
    );
}

#[test]
fn a_folders_files_are_where_compose_shows_them() {
    let import = read_files(&[
        (
            "compose.yaml",
            "
name: shop
services:
  web:
    image: localhost/web:1
    volumes: ['./static:/static:ro']
    tmpfs: ['/run:mode=0755']
    configs: [{ source: one, target: /run/one, mode: 0440 }]
configs: { one: { content: a } }
",
        ),
        ("static/a.css", "a {}\n"),
    ]);
    assert_eq!(import.errors, []);
    let (written, rows) = export::write(&import.spec);
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", row.outcome.as_str(), row.at))
        .collect();
    assert_eq!(
        rows,
        [
            "adapted components.web.volumes./static",
            "refused components.web.volumes./run",
        ]
    );
    let services = written.split("x-pluvio").next().unwrap();
    assert!(!services.contains("type: tmpfs"), "{services}");
    for line in ["mode: 0644", "mode: 0440", "target: /static/a.css"] {
        assert!(
            services.lines().any(|one| one.trim() == line),
            "{line}\n{services}"
        );
    }
    assert_eq!(read_text(&written).spec, import.spec);
}

#[test]
fn a_volume_of_the_engine_is_mounted_as_it_is() {
    let import = read_text(
        "
services:
  web: { image: 'localhost/web:1', volumes: ['kept:/a', 'old:/b:ro', 'own:/c', 'odd:/d'] }
  log: { image: 'localhost/log:1', volumes: ['kept:/a'] }
volumes:
  kept: { external: true, name: shop_data, labels: { a: b } }
  old: { external: { name: legacy } }
  own: { external: false }
  odd: { external: true, name: 'no name' }
  nobodys: { external: true }
",
    );
    assert_eq!(import.errors, []);
    let rows = import
        .report
        .iter()
        .filter(|row| row.at.starts_with("volumes."));
    let rows: Vec<String> = rows
        .map(|row| format!("{} {}", row.outcome.as_str(), row.at))
        .collect();
    assert_eq!(
        rows,
        [
            "adapted volumes.kept.external",
            "ignored volumes.kept.labels",
            "adapted volumes.old.external",
            "ignored volumes.own.external",
            "refused volumes.odd.external",
            "ignored volumes.nobodys",
            "ignored volumes.kept.labels.a",
        ]
    );
    let shown = |component: &str| {
        let mounts = import.spec.components[component].volumes.iter();
        let shown = mounts.map(|(target, mount)| {
            let engines = mount.host_volume.as_ref().map(ToString::to_string);
            let own = mount.name.as_ref().map(ToString::to_string);
            format!(
                "{target} {engines:?} {own:?} {:?} {}",
                mount.access, mount.read_only
            )
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        shown("web"),
        [
            "/a Some(\"shop_data\") None Shared false",
            "/b Some(\"legacy\") None Exclusive true",
            "/c None Some(\"own\") Exclusive false",
            "/d None Some(\"odd\") Exclusive false",
        ]
    );
    assert_eq!(shown("log"), ["/a Some(\"shop_data\") None Shared false"]);
}

#[test]
fn a_volume_of_the_engine_is_exported_as_external() {
    let import = read_text(
        "
name: shop
services:
  web: { image: 'localhost/web:1', volumes: ['theirs:/a', 'data:/b'] }
volumes:
  theirs: { external: true, name: data }
  data: {}
",
    );
    assert_eq!(import.errors, []);
    let (written, rows) = export::write(&import.spec);
    assert_eq!(rows, []);
    assert_eq!(read_text(&written).spec, import.spec);
    // As compose itself reads it.
    let (plain, _) = written.split_once("x-pluvio").unwrap();
    let again = read_text(plain);
    assert_eq!(again.errors, []);
    let mounts = |spec: &pluvio_model::spec::AppSpec| spec.components["web"].volumes.clone();
    assert_eq!(mounts(&again.spec), mounts(&import.spec), "{plain}");
}

#[test]
fn a_share_is_a_volume_with_options_and_is_exported_as_one() {
    let import = read_text(
        "
name: shop
services:
  web: { image: 'localhost/web:1', volumes: ['media:/a', 'files:/b', 'other:/c', 'folder:/d'] }
volumes:
  media: { driver: local, driver_opts: { type: nfs, o: 'addr=10.0.0.2,rw', device: ':/media' } }
  files: { driver_opts: { type: cifs, o: 'username=a,password=hidden', device: //nas/files } }
  other: { driver: rclone, driver_opts: { type: sftp, device: here } }
  folder: { driver_opts: { type: none, o: bind, device: /srv/folder } }
",
    );
    assert_eq!(import.errors, []);
    let rows = import.report.iter();
    let rows: Vec<String> = rows
        .filter(|row| row.at.ends_with(".driver_opts"))
        .map(|row| format!("{} {}", row.outcome.as_str(), row.at))
        .collect();
    assert_eq!(
        rows,
        [
            "adapted volumes.media.driver_opts",
            "adapted volumes.files.driver_opts",
            "refused volumes.other.driver_opts",
            "adapted volumes.folder.driver_opts",
        ]
    );
    let shows = |text: &str| import.report.iter().any(|row| row.message.contains(text));
    assert!(shows("nfs :/media (addr=10.0.0.2,rw)") && !shows("hidden"));
    let mounts = import.spec.components["web"].volumes.values();
    let shown: Vec<Option<String>> = mounts
        .map(|mount| {
            mount
                .options
                .as_ref()
                .map(pluvio_model::spec::VolumeOptions::shown)
        })
        .collect();
    assert_eq!(
        shown,
        [
            Some("nfs :/media (addr=10.0.0.2,rw)".to_owned()),
            Some("cifs //nas/files (username=a,password=…)".to_owned()),
            None,
            None,
        ]
    );
    let (written, rows) = export::write(&import.spec);
    assert_eq!(rows, []);
    assert_eq!(read_text(&written).spec, import.spec);
    let (plain, _) = written.split_once("x-pluvio").unwrap();
    let again = read_text(plain).spec.components["web"].volumes.clone();
    assert_eq!(again, import.spec.components["web"].volumes, "{plain}");
}
