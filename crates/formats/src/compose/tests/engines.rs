//! What engines have of their own: memory with options, the networks `none` and `host`.

use super::*;

fn told(import: &Import) -> Vec<String> {
    let rows = import.report.iter();
    rows.map(|row| format!("{} {}: {}", row.outcome.as_str(), row.at, row.message))
        .collect()
}

#[test]
fn memory_has_a_mode_an_owner_and_whether_programs_start_in_it() {
    let import = read_text(
        "
name: shop
services:
  web:
    image: localhost/web:1
    tmpfs:
      - /run/app:size=64m,mode=1770,uid=70,gid=71,exec
      - /quiet:rw,noexec,nosuid,nodev,noatime
      - /raw:mode=755,nr_inodes=5
      - /odd:huge=always,mode=9,uid=-1
    volumes:
      - { type: tmpfs, target: /long, tmpfs: { size: 1m, mode: 0755 } }
      - named:/named
volumes:
  named: { driver_opts: { type: tmpfs, device: tmpfs, o: 'size=2m,uid=5,mode=0700' } }
",
    );
    assert_eq!(import.errors, []);
    let web = &import.spec.components["web"];
    let mount = |place: &str| {
        let mount = &web.volumes[&place.parse::<pluvio_model::spec::AbsolutePath>().unwrap()];
        let size = mount.size.map(|size| size.to_string());
        let all = size.into_iter().chain(mount.memory_options());
        all.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(mount("/run/app"), "64Mi mode=1770 uid=70 gid=71 exec");
    assert_eq!(mount("/quiet"), "noexec");
    assert_eq!(mount("/raw"), "mode=0755");
    assert_eq!(mount("/odd"), "");
    assert_eq!(mount("/long"), "1Mi mode=0755");
    assert_eq!(mount("/named"), "2Mi mode=0700 uid=5");
    // Only what engines alone know needs their own words, and the permission for that.
    let patch = serde_json::to_value(&web.patch).unwrap();
    let raw = serde_json::json!({ "/raw": "mode=755,nr_inodes=5" });
    assert_eq!(patch["engine"]["HostConfig"]["Tmpfs"], raw);
    let told = told(&import).join("\n");
    for part in [
        "adapted services.web.tmpfs: mode=1770, uid=70, gid=71, exec: as it says.",
        "ignored services.web.tmpfs: nosuid, nodev, noatime: engines mount",
        "refused services.web.tmpfs: huge=always, mode=9, uid=-1: no option of memory",
        "adapted services.web.volumes.tmpfs.mode: Permission bits 0755",
        "adapted services.web.volumes: uid=5, mode=0700: as it says.",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    // Written as a compose file it is the same.
    let (written, _) = export::write(&import.spec);
    assert!(
        written.contains("/run/app:mode=1770,uid=70,gid=71,exec,size=67108864"),
        "{written}"
    );
    let plain = written.split("x-pluvio").next().unwrap();
    let again = read_text(plain);
    assert_eq!(again.errors, [], "{plain}");
    let back = &again.spec.components["web"].volumes;
    for place in ["/run/app", "/quiet", "/long", "/named"] {
        let place: pluvio_model::spec::AbsolutePath = place.parse().unwrap();
        assert_eq!(back[&place], web.volumes[&place], "{plain}");
    }
}

#[test]
fn a_network_of_no_driver_is_none_for_compose_either() {
    let of = |driver: &str, networks: &str| {
        let import = read_text(&format!(
            "
services:
  web: {{ image: 'localhost/web:1', networks: [{networks}] }}
networks: {{ off: {{ driver: {driver} }} }}
"
        ));
        let told = told(&import);
        let found = told.iter().find(|row| row.contains("networks.off.driver"));
        found.cloned().unwrap_or_default()
    };
    let none = of("none", "off");
    assert!(none.starts_with("refused"), "{none}");
    assert!(none.contains("plugin \"none\" not found"), "{none}");
    assert!(of("host", "off").starts_with("refused"));
    assert!(of("macvlan", "off").contains("is a bridge, not `macvlan`"));
    // What nobody is on is not made.
    for driver in ["none", "macvlan"] {
        let unused = of(driver, "default");
        assert!(unused.starts_with("ignored"), "{unused}");
    }
}

#[test]
fn who_is_on_the_engines_own_network_alone_is_on_it() {
    let of = |networks: &str, section: &str| {
        let import = read_text(&format!(
            "
services:
  web: {{ image: 'localhost/web:1', networks: {networks} }}
  api: {{ image: 'localhost/api:1' }}
networks: {{ own: {section}, b: {{}} }}
"
        ));
        assert_eq!(import.errors, [], "{networks} {section}");
        let web = import.spec.components["web"].clone();
        let on_host = web.host.is_some_and(|host| host.network);
        let refused = told(&import).iter().any(|row| row.starts_with("refused"));
        (web.offline, on_host, refused, import.spec.networks.len())
    };
    let none = "{ external: true, name: none }";
    assert_eq!(of("[own]", none), (true, false, false, 0));
    assert_eq!(
        of("[own]", "{ external: { name: none } }"),
        (true, false, false, 0)
    );
    let host = "{ external: true, name: host }";
    assert_eq!(of("[own]", host), (false, true, false, 0));
    assert_eq!(of("[none]", "{}"), (false, false, false, 1));
    // Engines take nobody onto another beside it, nor a name on it.
    let (offline, _, refused, _) = of("[own, b]", none);
    assert!(!offline && refused);
    let (offline, _, refused, _) = of("{ own: { aliases: [a] } }", none);
    assert!(!offline && refused);
    // One that the file makes itself is a network like any other.
    let (offline, on_host, refused, _) = of("[own]", "{ name: none }");
    assert!(!offline && !on_host && !refused);
}
