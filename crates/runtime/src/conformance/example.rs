//! A small application to try a runtime with: one component, a volume, a hot file.

use indexmap::IndexMap;
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::quantity::Span;
use pluvio_model::release::*;
use pluvio_model::spec::{Kind, RestartPolicy, VolumeAccess, VolumeKind};
use pluvio_model::stage::{Power, RunWish, Stage, Wish};
use pluvio_model::template::Rendered;

/// What can be varied. Equal examples give stages that differ in their generation only.
#[derive(Debug, Clone)]
pub struct Example {
    pub cluster: ClusterId,
    pub application: ApplicationId,
    pub generation: u64,
    /// As text and as the runtime's id.
    pub image: (String, String),
    /// Part of the content: another one needs new instances.
    pub version: String,
    pub instances: u32,
    /// Content of the hot file `/tmp/example/hot.conf`.
    pub hot: String,
    pub power: Power,
}

impl Example {
    /// One instance of an application that there is not yet.
    pub fn new(cluster: ClusterId, image: (String, String)) -> Example {
        Example {
            cluster,
            application: ApplicationId(uuid::Uuid::now_v7()),
            generation: 0,
            image,
            version: "one".to_owned(),
            instances: 1,
            hot: "first".to_owned(),
            power: Power::On,
        }
    }

    /// The next stage.
    pub fn stage(&mut self) -> Stage {
        self.generation += 1;
        let component = self.component();
        let volume = DecidedVolume {
            id: VolumeId(self.application.0),
            access: VolumeAccess::Shared,
            size: None,
            class: None,
            options: None,
            handle: None,
        };
        self.wrap(Wish::Run(Box::new(RunWish {
            components: vec![component.name.clone()],
            tasks: Vec::new(),
            power: self.power,
            stopped: Vec::new(),
            secrets: Default::default(),
            release: Release {
                application: self.application,
                application_name: "example".parse().expect("a name"),
                team: "team".parse().expect("a name"),
                environment: "production".parse().expect("a name"),
                number: self.generation,
                parent: None,
                components: [(component.name.clone(), component)].into(),
                externals: Default::default(),
                volumes: [("data".parse().expect("a name"), volume)].into(),
                networks: IndexMap::new(),
                routes: Vec::new(),
                urls: Vec::new(),
                objects: Vec::new(),
            },
        })))
    }

    /// The end of it.
    pub fn gone(&mut self) -> Stage {
        self.generation += 1;
        self.wrap(Wish::Gone)
    }

    fn wrap(&self, wish: Wish) -> Stage {
        Stage {
            cluster: self.cluster,
            application: self.application,
            generation: Generation(self.generation),
            wish,
        }
    }

    fn component(&self) -> DecidedComponent {
        let probe = DecidedProbe {
            check: Check::Command(vec!["true".to_owned()]),
            period: Span(500),
            timeout: Span::seconds(5),
            delay: Span(0),
            failures: 3,
            successes: 1,
        };
        let mount = DecidedMount {
            kind: VolumeKind::Disk,
            volume: Some("data".parse().expect("a name")),
            ..DecidedMount::default()
        };
        let content = Content {
            main: DecidedContainer {
                image: self.image.0.parse().expect("an image"),
                image_id: self.image.1.clone(),
                entrypoint: None,
                command: None,
                working_dir: None,
                user: None,
                stop_signal: None,
                env: [(
                    "VERSION".parse().expect("a variable"),
                    Rendered::text(&self.version),
                )]
                .into(),
                files: IndexMap::new(),
                mounts: [("/data".parse().expect("a path"), mount)].into(),
                cpu_request: None,
                cpu_limit: None,
                memory_request: None,
                memory_limit: None,
                pids_limit: 512,
                probes: DecidedProbes {
                    ready: Some(probe),
                    ..DecidedProbes::default()
                },
                host: None,
                options: None,
                image_user: None,
                named_user: None,
            },
            sidecars: IndexMap::new(),
            init: IndexMap::new(),
            ports: IndexMap::new(),
            publish: Vec::new(),
            networks: Vec::new(),
            aliases: Vec::new(),
            internal_networks: Vec::new(),
            offline: false,
            network_aliases: IndexMap::new(),
            extra_hosts: IndexMap::new(),
            labels: IndexMap::new(),
            node_labels: IndexMap::new(),
            placement: DecidedPlacement::default(),
            restart: RestartPolicy::Always,
            release_task: None,
            hooks: DecidedHooks::default(),
            patch: None,
            restarts: 0,
        };
        let hot = DecidedFile {
            content: Rendered::text(&self.hot),
            mode: "0644".parse().expect("a mode"),
            reload: None,
        };
        DecidedComponent {
            name: "web".parse().expect("a name"),
            kind: Kind::Service,
            hash: ContentHash::of(&content),
            content,
            instances: self.instances,
            scale: None,
            rollout: DecidedRollout {
                strategy: Strategy::Surge {
                    surge: 1,
                    unavailable: 0,
                },
                drain: Span::seconds(1),
                grace: Span::seconds(1),
                deadline: Span::seconds(60),
                retry: Span::default(),
            },
            hot_files: [("/tmp/example/hot.conf".parse().expect("a path"), hot)].into(),
            after: Vec::new(),
            database: None,
            backups: None,
            build: None,
            schedule: None,
            once: None,
        }
    }
}
