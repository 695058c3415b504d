//! Whose network a service is on, and what of the machine it has.

use expect_test::expect;

use super::*;

#[test]
fn services_on_anothers_network_run_beside_it() {
    check(
        &[(
            "compose.yaml",
            "
name: tunnel
services:
  vpn:
    image: localhost/vpn:1
    container_name: the-vpn
    cap_add: [NET_ADMIN]
    ports: ['9091:9091']
  torrent:
    image: localhost/torrent:1
    network_mode: service:vpn
    container_name: torrent
    depends_on: [vpn]
    environment: [TZ=UTC]
    volumes: [data:/data]
    ulimits: { nofile: 1024 }
    stop_signal: SIGINT
    restart: unless-stopped
  indexer:
    image: localhost/indexer:1
    network_mode: container:the-vpn
    volumes: [data:/data]
  built:
    build: .
    network_mode: service:vpn
  shown:
    image: localhost/shown:1
    depends_on: [torrent]
    network_mode: container:elsewhere
  quiet:
    image: localhost/quiet:1
    network_mode: none
  metrics:
    image: localhost/metrics:1
    network_mode: host
    ports: ['9100:9100']
  lost:
    image: localhost/lost:1
    network_mode: service:elsewhere
  elsewhere:
    provider: { type: nowhere }
",
        )],
        expect![[r#"
            apiVersion: pluvio/v1
            name: tunnel
            components:
              vpn:
                image: localhost/vpn:1
                ports:
                  http: { port: 9091 }
                imagePorts: true
                sidecars:
                  torrent:
                    image: localhost/torrent:1
                    env:
                      TZ: UTC
                    volumes:
                      /data: { name: data }
                    stopSignal: SIGINT
                    options:
                      ulimits:
                        nofile: { soft: 1024, hard: 1024 }
                  indexer:
                    image: localhost/indexer:1
                    volumes:
                      /data: { name: data }
                aliases: [the-vpn]
                host:
                  capabilities: [NET_ADMIN]
              built:
                source: { path: . }
                build: { builder: dockerfile }
                restart: on-failure
                routes: []
              shown:
                image: localhost/shown:1
                imagePorts: true
                uses: [vpn]
                restart: on-failure
                routes: []
              quiet:
                image: localhost/quiet:1
                restart: on-failure
                routes: []
                offline: true
              metrics:
                image: localhost/metrics:1
                imagePorts: true
                restart: on-failure
                routes: []
                host: { network: true }
              lost:
                image: localhost/lost:1
                restart: on-failure
                routes: []
            adapted services.vpn.container_name:6
            adapted services.vpn.cap_add:7
            adapted services.torrent.restart:18
            adapted services.torrent.container_name:12
            adapted services.torrent.depends_on.vpn:13
            adapted services.torrent.volumes:15
            adapted services.indexer.volumes:22
            refused services.shown.network_mode:29
            adapted services.shown.depends_on.torrent:28
            adapted services.metrics.network_mode:35
            ignored services.metrics.ports:36
            refused services.elsewhere.provider:41
            adapted services.torrent.network_mode:11
            adapted services.indexer.network_mode:21
            refused services.built.network_mode:25
            refused services.lost.network_mode:39
            adapted services.vpn.ports:8
            refused services.elsewhere.provider.type:41
        "#]],
    );
}

#[test]
fn addresses_and_networks_from_outside_are_missed_only_by_what_names_them() {
    check(
        &[(
            "compose.yaml",
            "
name: fixed
services:
  dns:
    image: localhost/dns:1
    networks: { lan: { ipv4_address: 172.20.0.5 } }
  web:
    image: localhost/web:1
    networks: { lan: { ipv4_address: 172.20.0.6 }, proxy: {}, corporate: {} }
    dns: [172.20.0.5]
networks:
  lan: { ipam: { config: [{ subnet: 172.20.0.0/24 }] } }
  proxy: { external: true, name: traefik_public }
  corporate: { external: true }
  other: { ipam: { config: [{ subnet: 10.9.0.0/24 }] } }
",
        )],
        expect![[r#"
            apiVersion: pluvio/v1
            name: fixed
            components:
              dns:
                image: localhost/dns:1
                imagePorts: true
                restart: on-failure
                routes: []
                networks: [lan]
              web:
                image: localhost/web:1
                imagePorts: true
                restart: on-failure
                routes: []
                networks: [lan, proxy, corporate]
                options:
                  dns: ["172.20.0.5"]
            networks:
              lan: {}
              proxy: {}
              corporate: { shared: corporate }
            refused services.dns.networks.lan.ipv4_address:6
            adapted services.web.networks.lan.ipv4_address:9
            adapted services.web.dns:10
            refused networks.lan.ipam:12
            adapted networks.proxy.external:13
            ignored networks.proxy.name:13
            adapted networks.corporate.external:14
            adapted networks.other.ipam:15
            ignored networks.other:15
            refused networks.lan.ipam.config:12
            refused networks.lan.ipam.config[0]:12
            refused networks.lan.ipam.config[0].subnet:12
        "#]],
    );
}

#[test]
fn a_network_that_other_files_can_name_is_shared_by_that_name() {
    let shared = |networks: &str, more: &str| {
        let text = format!(
            "
name: shop
services:
  web: {{ image: 'localhost/web:1', networks: [{networks}] }}
  api: {{ image: 'localhost/api:1', networks: [a, b] }}
networks: {{ {more} }}
"
        );
        let import = read_text(&text);
        let networks = import.spec.networks.iter();
        let told = networks.map(|(name, one)| format!("{name}={:?}", one.shared));
        let joined = import.spec.components.values();
        let joined = joined.map(|one| one.networks.len().to_string());
        told.chain(joined).collect::<Vec<_>>().join(" ")
    };
    for (networks, more, want) in [
        // The application's own.
        (
            "a, b",
            "a: { name: corp }, b: {}",
            r#"default=Some("corp") 0 0"#,
        ),
        (
            "a, b",
            "a: { external: { name: corp } }",
            r#"default=Some("corp") 0 0"#,
        ),
        // Of two names each is one.
        (
            "a, b",
            "a: { external: true }, b: { external: true, name: corp }",
            r#"a=Some("a") b=Some("corp") 2 2"#,
        ),
        // Two keys of one name are one.
        (
            "a",
            "a: { name: corp }, b: { external: true, name: corp }",
            r#"a=Some("corp") 1 1"#,
        ),
        (
            "default",
            "a: { name: corp }, default: { external: { name: corp } }",
            r#"default=Some("corp") b=None 0 2"#,
        ),
        // A reverse proxy's leads to the gateway; without a way out there is nobody else.
        ("a, b", "a: { external: true, name: traefik }, b: {}", "0 0"),
        (
            "a",
            "a: { name: corp, internal: true }, b: { name: other }",
            r#"a=None b=Some("other") 1 2"#,
        ),
    ] {
        assert_eq!(shared(networks, more), want, "{networks}; {more}");
    }
}

#[test]
fn a_network_that_a_service_is_on_by_its_mode_is_shared_by_its_name() {
    check(
        &[(
            "compose.yaml",
            "
name: chain
services:
  peer: { image: 'localhost/peer:1', network_mode: hlf_net }
  order: { image: 'localhost/order:1', network_mode: hlf_net }
  api: { image: 'localhost/api:1', network_mode: corp }
  odd: { image: 'localhost/odd:1', network_mode: 'a b' }
networks: { own: { name: corp } }
",
        )],
        expect![[r#"
            apiVersion: pluvio/v1
            name: chain
            components:
              peer:
                image: localhost/peer:1
                imagePorts: true
                restart: on-failure
                routes: []
                networks: [hlf-net]
              order:
                image: localhost/order:1
                imagePorts: true
                restart: on-failure
                routes: []
                networks: [hlf-net]
              api:
                image: localhost/api:1
                imagePorts: true
                restart: on-failure
                routes: []
                networks: [own]
              odd:
                image: localhost/odd:1
                imagePorts: true
                restart: on-failure
                routes: []
            networks:
              own: { shared: corp }
              hlf-net: { shared: hlf_net }
            refused services.odd.network_mode:7
            adapted networks.hlf_net.external:4
            adapted networks.hlf_net:4
        "#]],
    );
}

#[test]
fn what_has_a_network_of_its_own_is_exported_so() {
    let import = read_text(
        "
name: tunnel
services:
  vpn: { image: 'localhost/vpn:1', ports: ['9091:9091'] }
  torrent: { image: 'localhost/torrent:1', network_mode: 'service:vpn', environment: [TZ=UTC] }
  quiet: { image: 'localhost/quiet:1', network_mode: none }
  meter: { image: 'localhost/meter:1', network_mode: host }
",
    );
    let (text, rows) = export::write(&import.spec);
    assert!(rows.is_empty(), "{rows:?}");
    let services = text.split("x-pluvio").next().unwrap_or_default();
    expect![[r#"
        name: tunnel
        services:
          vpn:
            image: localhost/vpn:1
            ports: ["127.0.0.1::9091"]
            expose: ["9091"]
            restart: always
          vpn-torrent:
            image: localhost/torrent:1
            restart: always
            environment:
              TZ: UTC
            network_mode: service:vpn
          quiet:
            image: localhost/quiet:1
            restart: on-failure
            network_mode: none
          meter:
            image: localhost/meter:1
            restart: on-failure
            network_mode: host
    "#]]
    .assert_eq(services);
    // Without what goes along for Pluvio, it is the same application.
    let again = read_text(services);
    assert_eq!(again.errors, []);
    let (own, back) = (&import.spec.components, &again.spec.components);
    let beside = |components: &indexmap::IndexMap<Name, pluvio_model::spec::ComponentSpec>| {
        let vpn = &components["vpn"];
        vpn.sidecars
            .values()
            .map(|one| one.env.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(beside(own), beside(back));
    assert!(back["quiet"].offline);
    assert!(back["meter"].host.as_ref().is_some_and(|host| host.network));
}

#[test]
fn what_only_engines_mount_is_mounted_by_them() {
    check(
        &[(
            "compose.yaml",
            "
name: disk
services:
  meter:
    image: localhost/meter:1
    volumes: ['/:/host:ro']
    tmpfs: ['/run:size=1m,noexec,nr_inodes=5', '/odd:huge=always']
",
        )],
        expect![[r#"
            apiVersion: pluvio/v1
            name: disk
            components:
              meter:
                image: localhost/meter:1
                imagePorts: true
                volumes:
                  /run: { type: memory, size: 1Mi, exec: false }
                  /odd: { type: memory }
                restart: on-failure
                routes: []
                patch:
                  engine:
                    HostConfig:
                      Binds: [/:/host:ro]
                      Tmpfs: { /run: "size=1m,noexec,nr_inodes=5" }
            adapted services.meter.volumes:6
            adapted services.meter.tmpfs:7
            adapted services.meter.tmpfs:7
            refused services.meter.tmpfs:7
        "#]],
    );
}

#[test]
fn the_whole_disk_of_another_service_is_mounted_no_wider_and_at_no_place_twice() {
    let import = read_text(
        "
name: disk
services:
  meter: { image: 'localhost/meter:1', volumes: ['/:/host', '/:/all'] }
  reader:
    image: localhost/reader:1
    volumes: ['data:/all']
    volumes_from: ['meter:ro']
volumes: { data: {} }
",
    );
    let reader = &import.spec.components["reader"];
    let patch = serde_json::to_value(&reader.patch).unwrap();
    assert_eq!(
        patch["engine"]["HostConfig"]["Binds"],
        serde_json::json!(["/:/host:ro"])
    );
    let targets: Vec<&str> = reader
        .volumes
        .keys()
        .map(|target| target.as_str())
        .collect();
    assert_eq!(targets, ["/all"]);
}

#[test]
fn a_container_beside_is_exported_under_a_name_of_its_own() {
    let import = read_text(
        "
name: shop
services:
  web: { image: 'localhost/web:1' }
  log: { image: 'localhost/log:1', network_mode: 'service:web' }
  web-log: { image: 'localhost/other:1' }
",
    );
    let (text, _) = export::write(&import.spec);
    for line in [
        "  web-log:",
        "    image: localhost/other:1",
        "  web-log-beside:",
        "    image: localhost/log:1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}
