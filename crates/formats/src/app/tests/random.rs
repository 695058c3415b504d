//! Random specifications: every part of the shape, whatever it means.

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::quantity::{Bytes, Cpu, Span};
use pluvio_model::spec::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn name() -> BoxedStrategy<Name> {
    "[a-z]([a-z0-9]|-[a-z0-9]){0,6}"
        .prop_map(|text| text.parse().unwrap())
        .boxed()
}
fn env_name() -> BoxedStrategy<EnvName> {
    "[A-Za-z_][A-Za-z0-9_.-]{0,8}"
        .prop_map(|text| text.parse().unwrap())
        .boxed()
}
fn path() -> BoxedStrategy<AbsolutePath> {
    "/[a-z.: #]{0,6}[a-z]"
        .prop_map(|text| text.parse().unwrap())
        .boxed()
}
fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z]{0,8}",
        "[ -~]{0,24}",
        ".{0,12}",
        "([a-z:# ]{0,8}\n){1,4}",
        Just("no".to_owned()),
        Just("1.10".to_owned()),
        Just(" x".to_owned()),
        Just("${db.url}".to_owned()),
    ]
    .boxed()
}
fn command() -> BoxedStrategy<Command> {
    prop_oneof![
        text().prop_map(Command::Shell),
        vec(text(), 0..4).prop_map(Command::Words)
    ]
    .boxed()
}
fn image() -> BoxedStrategy<ImageReference> {
    "[a-z]{1,6}(/[a-z]{1,4})?(:[a-z0-9.]{1,5})?"
        .prop_filter_map("an image", |text| text.parse().ok())
        .boxed()
}
fn map<K: std::hash::Hash + Eq + std::fmt::Debug, V: std::fmt::Debug>(
    key: impl Strategy<Value = K>,
    value: impl Strategy<Value = V>,
) -> impl Strategy<Value = IndexMap<K, V>> {
    vec((key, value), 0..4).prop_map(|entries| entries.into_iter().collect())
}
fn env() -> BoxedStrategy<IndexMap<EnvName, EnvValue>> {
    map(env_name(), text().prop_map(EnvValue)).boxed()
}
fn span() -> BoxedStrategy<Span> {
    (0u64..100_000_000).prop_map(Span).boxed()
}
fn bytes() -> BoxedStrategy<Bytes> {
    (0u64..1 << 50).prop_map(Bytes).boxed()
}
fn file() -> BoxedStrategy<FileSpec> {
    let reload = prop_oneof![
        "[A-Z]{2,5}".prop_map(Reload::Signal),
        command().prop_map(Reload::Command)
    ];
    (
        text(),
        any::<bool>(),
        of(0u16..0o7777),
        any::<bool>(),
        of(reload),
    )
        .prop_map(|(content, hot, mode, raw, reload)| FileSpec {
            content,
            hot,
            mode: mode.map(FileMode),
            raw,
            reload,
        })
        .boxed()
}
fn volume_options() -> BoxedStrategy<VolumeOptions> {
    (text(), text(), of(text()))
        .prop_map(|(kind, device, o)| VolumeOptions { kind, device, o })
        .boxed()
}
fn engine_volume() -> BoxedStrategy<EngineVolume> {
    "[A-Za-z0-9][A-Za-z0-9_.-]{0,8}"
        .prop_map(|text| text.parse().unwrap())
        .boxed()
}
fn mount() -> BoxedStrategy<MountSpec> {
    let kind = prop_oneof![
        Just(VolumeKind::Disk),
        Just(VolumeKind::Memory),
        Just(VolumeKind::Host)
    ];
    let access = prop_oneof![Just(VolumeAccess::Exclusive), Just(VolumeAccess::Shared)];
    (
        of(name()),
        kind,
        access,
        of(bytes()),
        any::<bool>(),
        (of(path()), of(engine_volume())),
        (of(text()), of(volume_options())),
        (
            of(0u16..0o7777),
            of(any::<u32>()),
            of(any::<u32>()),
            of(any::<bool>()),
        ),
    )
        .prop_map(
            |(
                name,
                kind,
                access,
                size,
                read_only,
                (host_path, host_volume),
                (class, options),
                (mode, uid, gid, exec),
            )| {
                MountSpec {
                    name,
                    kind,
                    access,
                    size,
                    read_only,
                    host_path,
                    host_volume,
                    class,
                    options,
                    mode: mode.map(FileMode),
                    uid,
                    gid,
                    exec,
                    no_copy: kind == VolumeKind::Disk && read_only,
                }
            },
        )
        .boxed()
}
fn port_ref() -> BoxedStrategy<PortRef> {
    prop_oneof![
        any::<u16>().prop_map(PortRef::Number),
        name().prop_map(PortRef::Name)
    ]
    .boxed()
}
fn probe() -> BoxedStrategy<Probe> {
    let http = (
        text(),
        of(port_ref()),
        map(text(), text()),
        of(text()),
        of(vec(any::<u16>(), 0..3)),
    )
        .prop_map(|(path, port, headers, host, status)| HttpProbe {
            path,
            port,
            headers,
            host,
            status,
        });
    let tcp = of(port_ref()).prop_map(|port| TcpProbe { port });
    (
        of(http),
        of(tcp),
        of(command()),
        of(span()),
        of(span()),
        of(any::<u32>()),
    )
        .prop_map(|(http, tcp, command, period, delay, failures)| Probe {
            http,
            tcp,
            command,
            period,
            timeout: None,
            delay,
            failures,
            successes: None,
        })
        .boxed()
}
fn resources() -> BoxedStrategy<Resources> {
    let cpu = (of(1u32..10_000), of(1u32..10_000)).prop_map(|(request, limit)| CpuRange {
        request: request.map(Cpu),
        limit: limit.map(Cpu),
    });
    let memory =
        (of(bytes()), of(bytes())).prop_map(|(request, limit)| MemoryRange { request, limit });
    (of(cpu), of(memory), of(any::<u32>()))
        .prop_map(|(cpu, memory, pids)| Resources { cpu, memory, pids })
        .boxed()
}
fn source() -> BoxedStrategy<SourceSpec> {
    let git = (text(), of(text()), of(text())).prop_map(|(url, reference, path)| {
        SourceSpec::Git(GitSource {
            url,
            reference,
            path,
            credential: None,
        })
    });
    prop_oneof![
        text().prop_map(SourceSpec::Path),
        git,
        text().prop_map(SourceSpec::Upload)
    ]
    .boxed()
}
fn build_context() -> BoxedStrategy<BuildContext> {
    prop_oneof![
        name().prop_map(BuildContext::Component),
        image().prop_map(BuildContext::Image),
        "[a-z]{1,5}(/[a-z]{1,5})?".prop_map(BuildContext::Folder),
    ]
    .boxed()
}
fn build() -> BoxedStrategy<BuildSpec> {
    let builder = prop_oneof![
        Just(BuilderChoice::Auto),
        Just(BuilderChoice::Dockerfile),
        Just(BuilderChoice::Node),
        Just(BuilderChoice::Static),
    ];
    (
        builder,
        of(text()),
        of(command()),
        of(text()),
        map(text(), text()),
        vec(env_name(), 0..3),
        map(text(), env_name()),
        map(text(), build_context()),
    )
        .prop_map(
            |(builder, version, command, output, args, secrets, ssh, contexts)| BuildSpec {
                builder,
                version,
                command,
                output,
                args,
                secrets,
                ssh,
                contexts,
                ..BuildSpec::default()
            },
        )
        .boxed()
}
fn protocol() -> BoxedStrategy<PortProtocol> {
    prop_oneof![
        Just(PortProtocol::Http),
        Just(PortProtocol::Tcp),
        Just(PortProtocol::Udp)
    ]
    .boxed()
}
fn kind() -> BoxedStrategy<Kind> {
    prop_oneof![
        Just(Kind::Service),
        Just(Kind::Cron),
        Just(Kind::Database),
        Just(Kind::External)
    ]
    .boxed()
}
fn uses() -> BoxedStrategy<Use> {
    prop_oneof![
        name().prop_map(Use::Component),
        (name(), of(env_name()))
            .prop_map(|(component, prefix)| Use::As(UseAs { component, prefix })),
    ]
    .boxed()
}
fn route() -> BoxedStrategy<RouteSpec> {
    (
        of("[a-z]{1,5}\\.localhost"),
        of("/[a-z]{0,5}"),
        any::<bool>(),
        of(name()),
    )
        .prop_map(|(host, path, exact, port)| RouteSpec {
            host: host.map(|host| host.parse().unwrap()),
            path: path.map(|path| path.parse().unwrap()),
            exact,
            port,
        })
        .boxed()
}
fn publish() -> BoxedStrategy<PublishSpec> {
    (
        any::<u16>(),
        port_ref(),
        of(any::<std::net::IpAddr>()),
        protocol(),
    )
        .prop_map(|(host, port, address, protocol)| PublishSpec {
            host,
            port,
            address,
            protocol,
        })
        .boxed()
}
fn container() -> BoxedStrategy<ContainerSpec> {
    (
        of(image()),
        of(command()),
        env(),
        map(path(), file()),
        map(path(), mount()),
        of(resources()),
    )
        .prop_map(
            |(image, command, env, files, volumes, resources)| ContainerSpec {
                image,
                command,
                env,
                files,
                volumes,
                resources,
                ..ContainerSpec::default()
            },
        )
        .boxed()
}
/// Whatever is written for variables may be written for parameters.
fn parameters(env: &IndexMap<EnvName, EnvValue>) -> IndexMap<String, EnvValue> {
    env.iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect()
}

fn schedule() -> BoxedStrategy<ScheduleSpec> {
    prop_oneof![
        text().prop_map(ScheduleSpec::Cron),
        (text(), of(text()), any::<bool>()).prop_map(|(cron, time_zone, overlap)| {
            ScheduleSpec::In(ScheduleIn {
                cron,
                time_zone,
                overlap,
            })
        }),
    ]
    .boxed()
}
fn json() -> BoxedStrategy<serde_json::Value> {
    prop_oneof![
        Just(
            serde_json::json!({ "kind": "ConfigMap", "data": { "n": 1.5, "t": true, "e": {}, "l": [1, [2, null]] } })
        ),
        text()
            .prop_map(|text| serde_json::json!({ "access": "exclusive", "hot": false, "x": text })),
    ].boxed()
}

fn component() -> BoxedStrategy<ComponentSpec> {
    let running = (
        kind(),
        of(source()),
        of(build()),
        of(image()),
        of(text()),
        of(schedule()),
        of(command()),
        of(text()),
    );
    let shape = (
        of(any::<u32>()),
        of(resources()),
        map(name(), (any::<u16>(), protocol())),
        env(),
        map(path(), file()),
        map(path(), mount()),
    );
    let around = (
        vec(name(), 0..3),
        vec(uses(), 0..3),
        of((of(probe()), of(probe()), any::<bool>())),
        of(vec(route(), 0..3)),
        vec(publish(), 0..2),
    );
    let external =
        (vec(outside(), 1..3), of(probe()), any::<bool>()).prop_map(|(addresses, check, local)| {
            ExternalSpec {
                addresses,
                check,
                local,
            }
        });
    let beside = (
        of(external),
        map(name(), container()),
        map(name(), container()),
        vec(text(), 0..2),
        of(json()),
        of((command(), of(span()))),
        any::<bool>(),
    );
    (
        running.boxed(),
        shape.boxed(),
        around.boxed(),
        beside.boxed(),
    )
        .prop_map(|(running, shape, around, beside)| {
            let (kind, source, build, image, database, schedule, command, user) = running;
            let (instances, resources, ports, env, files, volumes) = shape;
            let (groups, uses, probes, routes, publish) = around;
            let (external, sidecars, init, aliases, patch, release, once) = beside;
            let hooked = env.clone();
            ComponentSpec {
                kind,
                source,
                build,
                image,
                database,
                external,
                parameters: parameters(&env),
                backups: schedule.clone().map(|schedule| BackupSpec {
                    schedule,
                    keep: instances,
                    keep_for: release.as_ref().and_then(|(_, timeout)| *timeout),
                }),
                schedule,
                once,
                entrypoint: command.clone(),
                command,
                user,
                instances,
                resources,
                ports: ports
                    .into_iter()
                    .map(|(name, (port, protocol))| (name, PortSpec { port, protocol }))
                    .collect(),
                exports: env.clone(),
                env,
                files,
                volumes,
                groups,
                uses,
                probes: probes.map(|(ready, live, offline)| Probes {
                    startup: None,
                    ready,
                    unhealthy: live
                        .is_some()
                        .then_some(offline)
                        .map(|offline| match offline {
                            true => Unhealthy::Offline,
                            false => Unhealthy::Report,
                        }),
                    live,
                }),
                routes,
                publish,
                sidecars,
                init,
                aliases,
                patch: patch.map(|json| PatchSpec {
                    engine: Some(json.clone()),
                    kubernetes: vec![json],
                }),
                hooks: release.clone().map(|(command, timeout)| Hooks {
                    post_start: vec![Hook {
                        command,
                        user: None,
                        working_dir: None,
                        env: hooked,
                        privileged: once,
                        timeout,
                    }],
                    pre_stop: Vec::new(),
                }),
                release: release.map(|(command, timeout)| ReleaseTask { command, timeout }),
                ..ComponentSpec::default()
            }
        })
        .boxed()
}

fn outside() -> BoxedStrategy<OutsideAddress> {
    let host = prop_oneof![
        any::<std::net::IpAddr>().prop_map(OutsideHost::Address),
        "[a-z]{1,8}(\\.[a-z]{2,5})?".prop_map(|name| OutsideHost::Name(name.into())),
    ];
    (host, of(1u16..))
        .prop_map(|(host, port)| OutsideAddress { host, port })
        .boxed()
}

pub(super) fn app() -> BoxedStrategy<AppSpec> {
    let secret =
        (any::<bool>(), of(any::<u16>()), of(text())).prop_map(|(generate, length, message)| {
            SecretSpec {
                generate,
                length,
                message,
            }
        });
    let setting =
        (of(text()), any::<bool>(), of(text())).prop_map(|(default, required, message)| {
            SettingSpec {
                default,
                required,
                message,
            }
        });
    let group = (env(), map(path(), file())).prop_map(|(env, files)| GroupSpec { env, files });
    let network = (any::<bool>(), of("s-[a-z][a-z_.]{3,9}")).prop_map(|(internal, shared)| {
        let shared = shared.filter(|_| !internal);
        NetworkSpec { internal, shared }
    });
    (
        (name(), of(text()), map(name(), component())),
        (
            map(env_name(), secret),
            map(env_name(), setting),
            map(name(), group),
            map(name(), network),
            vec(json(), 0..2),
        ),
    )
        .prop_map(
            |((name, display_name, components), (secrets, settings, groups, networks, objects))| {
                AppSpec {
                    api_version: ApiVersion::V1,
                    name,
                    display_name,
                    components,
                    secrets,
                    settings,
                    groups,
                    networks,
                    objects,
                }
            },
        )
        .boxed()
}
