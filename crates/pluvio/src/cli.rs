//! The command line as it is typed. Parsing only: what the words mean is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::audit::{AuditArgs, AuditCommand};
use crate::commands::environment::*;
use crate::commands::scale::{SCALE, ScaleArgs};
mod deploy;
mod heroku;

pub(crate) use deploy::{ComposeArgs, DeployArgs, PlanArgs};
pub(crate) use heroku::as_here;

/// Turns source code and images into running, reachable, observable applications.
#[derive(Debug, Parser)]
#[command(
    name = "pluvio",
    version,
    max_term_width = 110,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "First steps:\n  pluvio up                    start Pluvio on this machine\n  pluvio deploy                deploy the folder you are in\n  pluvio logs -f               follow what it says\n\n`pluvio COMMAND --help` has examples; `pluvio explain CODE` explains an error."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Application (default: the app.yaml in this folder or above)
    #[arg(short, long, global = true, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Environment
    #[arg(
        short,
        long,
        global = true,
        default_value = "production",
        hide_default_value = true
    )]
    pub(crate) environment: String,
    /// Team
    #[arg(
        short,
        long,
        global = true,
        default_value = "main",
        hide_default_value = true
    )]
    pub(crate) team: String,
    /// Print one JSON document on stdout (a stream: one a line)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Return when the operation is accepted, not when it ends
    #[arg(long, global = true)]
    pub(crate) no_wait: bool,
    /// Wait for the operation's end (the default)
    #[arg(long, global = true, conflicts_with = "no_wait", hide = true)]
    pub(crate) wait: bool,
    /// Give up waiting after so long (10m when absent); the operation goes on
    #[arg(long, global = true, value_name = "SPAN")]
    pub(crate) timeout: Option<pluvio_model::quantity::Span>,
    /// Say less
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Data folder
    #[arg(long, global = true, env = "PLUVIO_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start control and node on this machine; print the console's address and a one-time sign-in link
    #[command(
        after_help = "Examples:\n  pluvio up\n  pluvio up --domain apps.example.org --listen 0.0.0.0"
    )]
    Up(UpArgs),
    /// Stop the control plane; applications go on
    Down {
        /// Stop the node as well: the gateway closes, containers go on
        #[arg(long)]
        node: bool,
    },
    /// Remove all that Pluvio made but data volumes, which are listed
    Uninstall {
        /// Delete this data volume as well (may be given several times)
        #[arg(long, value_name = "VOLUME")]
        delete_data: Vec<String>,
        /// Leave base images in the engine: another Pluvio on it uses them, or the next one will
        #[arg(long)]
        keep_bases: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Run roles in the foreground, for systemd and containers
    Server(ServerArgs),
    /// Run the gateway of a Kubernetes cluster, in its pod
    #[command(hide = true)]
    Gateway(GatewayArgs),
    /// Check engine, kernel, ports, disk, names and clock
    Doctor,
    /// What is this, what would be built and run: no server, no network but for a Git URL
    #[command(
        after_help = "Examples:\n  pluvio plan .\n  pluvio plan nginx:1.27\n  pluvio plan . --for kubernetes -o manifests"
    )]
    Plan(PlanArgs),
    /// Write app.yaml here from the plan
    Init {
        /// Folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Replace an app.yaml that is there
        #[arg(long)]
        force: bool,
    },
    /// Build, release and follow; ends with the URL
    #[command(
        after_help = "Examples:\n  pluvio deploy\n  pluvio deploy ./shop --name shop\n  pluvio deploy shop.zip\n  pluvio deploy nginx:1.27 --port 80\n  pluvio deploy 'docker run -p 8080:80 nginx'\n  pluvio deploy compose.yaml --env-file prod.env\n  pluvio deploy https://example.org/team/shop.git --ref main"
    )]
    Deploy(DeployArgs),
    /// Make the application what a file says
    #[command(
        after_help = "What was changed elsewhere since the last apply, and is not in the file, is shown; nothing is done then (exit 5).\n\nExamples:\n  pluvio apply -f app.yaml\n  pluvio apply -f app.yaml --take-over"
    )]
    Apply(ApplyArgs),
    /// Show what applying a file would change
    Diff(FileArgs),
    /// Print the application's specification
    #[command(
        after_help = "Examples:\n  pluvio export -a shop > app.yaml\n  pluvio export -a shop --to compose > compose.yaml\n  pluvio export -a shop --to kubernetes"
    )]
    Export {
        /// `app`, `compose` or `kubernetes`
        #[arg(long, default_value = "app", value_name = "FORM")]
        to: String,
    },
    /// List applications
    #[command(visible_alias = "list")]
    Apps,
    /// How an application is: instances, release, addresses
    #[command(alias = "ps")]
    Status,
    /// Print (and where there is a desktop open) the application's URL
    Open,
    /// Logs, live and kept
    #[command(
        after_help = "Examples:\n  pluvio logs -f\n  pluvio logs --tail 100 --contains error"
    )]
    Logs(LogsArgs),
    /// What happened to instances: started, ready, failing probes, ends
    #[command(
        after_help = "Examples:\n  pluvio events\n  pluvio events web --warnings\n  pluvio events --instance db-1"
    )]
    Events(crate::commands::events::EventsArgs),
    /// Databases of an application: a shell, backups, users, settings, figures
    #[command(
        alias = "db",
        subcommand,
        after_help = "Examples:\n  pluvio database list\n  pluvio database shell db\n  pluvio database dump db > shop.sql\n  pluvio database restore db < shop.sql\n  pluvio database backup db\n  pluvio database restore db --from latest --into db-copy\n  pluvio database schedule db \"0 3 * * *\" --keep 7"
    )]
    Database(crate::commands::database::DatabaseCommand),
    /// Run a command in an instance
    #[command(
        after_help = "Examples:\n  pluvio exec -- sh\n  pluvio exec -- ls -l /srv",
        aliases = ["run", "ps:exec"]
    )]
    Exec(ExecArgs),
    /// Reach a port of an instance from this machine
    #[command(after_help = "Example:\n  pluvio port-forward 5432:5432")]
    PortForward {
        /// LOCAL:REMOTE or PORT
        ports: String,
        #[arg(long)]
        instance: Option<String>,
    },
    /// Change the number of instances, or let it change by itself
    #[command(alias = "ps:scale", after_help = SCALE)]
    Scale(ScaleArgs),
    /// Runs of jobs, schedules and release tasks: when, how long, how they ended
    Runs {
        /// Only those of this component
        component: Option<String>,
    },
    /// Run the program of a scheduled component now, and wait for its end
    #[command(after_help = "Examples:\n  pluvio trigger report\n  pluvio trigger report --no-wait")]
    Trigger { component: String },
    /// New instances of the same release, of the whole application or of some components
    #[command(alias = "ps:restart", after_help = RESTART)]
    Restart(ChosenArgs),
    /// Start a stopped application, or some of its components
    #[command(alias = "ps:start", after_help = START)]
    Start(ChosenArgs),
    /// Stop the application, or some of its components; data and history stay
    #[command(alias = "ps:stop", after_help = STOP)]
    Stop(ChosenArgs),
    /// Build sources and resolve image names again, of the whole application or of some components
    #[command(alias = "upgrade", after_help = REDEPLOY)]
    Redeploy(RedeployArgs),
    /// Make a copy of the application in another environment; shows first what will differ
    #[command(after_help = COPY)]
    Copy(CopyArgs),
    /// Bring what runs here to the application's counterpart in another environment: the same images, the hosts, counts and secrets of there
    #[command(after_help = PROMOTE)]
    Promote(PromoteArgs),
    /// Environments of the team: places to run, each with applications and secrets of its own
    #[command(visible_alias = "env", subcommand)]
    Environment(EnvironmentCommand),
    /// Delete the application; data volumes are kept and listed
    Delete {
        /// Do not ask for the name
        #[arg(long)]
        yes: bool,
    },
    /// Environment variables
    Config {
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    #[command(name = "config:set", hide = true)]
    ConfigSet(SetArgs),
    #[command(name = "config:get", hide = true)]
    ConfigGet(GetArgs),
    #[command(name = "config:unset", hide = true)]
    ConfigUnset(UnsetArgs),
    /// Secrets: set, list, remove; never shown
    Secret {
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Data volumes: list, attach, detach, clone, delete; their files
    Volume {
        #[command(subcommand)]
        command: crate::commands::volumes::VolumeCommand,
    },
    /// Routes at the gateway
    Route,
    /// Who talks to whom: components, what passes between them, and how it fares
    Topology(crate::commands::topology::TopologyArgs),
    /// Releases: history and differences
    Releases {
        #[command(subcommand)]
        command: Option<ReleasesCommand>,
    },
    /// Go back to an earlier release
    #[command(
        alias = "releases:rollback",
        after_help = "Examples:\n  pluvio rollback        to the one before\n  pluvio rollback 12"
    )]
    Rollback {
        /// Release number, `12` or `r12` or `v12`
        to: Option<String>,
    },
    /// What was asked, by whom, how it went
    Operations,
    /// One operation
    Operation {
        #[command(subcommand)]
        command: OperationCommand,
    },
    /// Credentials for private registries and Git hosts
    Credential {
        #[command(subcommand)]
        command: CredentialCommand,
    },
    /// Who did what, the newest first; and whether the log is as it was written
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  pluvio audit --since 24h\n  pluvio audit --action secret -a shop\n  pluvio audit --all --result refused\n  pluvio audit verify"
    )]
    Audit {
        #[command(flatten)]
        args: AuditArgs,
        #[command(subcommand)]
        command: Option<AuditCommand>,
    },
    /// API tokens
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Use a Pluvio elsewhere
    Login {
        /// https://host, http://host:port
        url: String,
        /// An API token; read from stdin when absent
        #[arg(long, env = "PLUVIO_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// Believe the certificate authorities in this file (PEM) and no others
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Forget the Pluvio elsewhere
    Logout,
    /// Who am I, and where
    Whoami,
    /// Another one-time sign-in link for the console
    SigninLink,
    /// Where applications run: the engine of the machine, Kubernetes clusters beside it
    #[command(after_help = crate::commands::cluster::EXAMPLES)]
    Cluster {
        #[command(subcommand)]
        command: Option<ClusterCommand>,
    },
    /// Images in Pluvio's registry
    #[command(after_help = crate::commands::images::EXAMPLES)]
    Images {
        #[command(subcommand)]
        command: crate::commands::images::ImagesCommand,
    },
    /// Explain an error code or a field of app.yaml
    Explain {
        /// `build.failed`, `components.probes` …; all codes when absent
        what: Option<String>,
    },
    /// Print a JSON Schema
    Schema {
        /// `app`
        #[arg(default_value = "app")]
        what: String,
    },
    /// Print a completion script
    Completion {
        /// bash, zsh, fish
        shell: String,
    },
    /// Versions of client and server
    Version,
}

#[derive(Debug, Default, Args)]
pub(crate) struct UpArgs {
    /// Applications answer at APP.DOMAIN
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Address to listen on (loopback when absent)
    #[arg(long)]
    pub(crate) listen: Option<std::net::IpAddr>,
    /// The engine's socket
    #[arg(long)]
    pub(crate) engine: Option<String>,
    /// Port of console and API
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Port of the gateway
    #[arg(long)]
    pub(crate) gateway_port: Option<u16>,
    /// sqlite in the data folder when absent; postgres://…
    #[arg(long, env = "PLUVIO_DATABASE_URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Take the engine that answers now for the one of before
    #[arg(long)]
    pub(crate) rebind_engine: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    pub(crate) up: UpArgs,
    /// `control`, `node`, `registry`; all when absent (the registry where `images.listen` is set)
    #[arg(long, value_delimiter = ',', default_value = "control,node,registry")]
    pub(crate) roles: Vec<String>,
    /// Show where each setting came from, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The namespace where Pluvio keeps applications' routes
    #[arg(long, default_value = "pluvio-system")]
    pub(crate) namespace: String,
    /// Reach the cluster by this file instead of by the pod's service account
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Where requests come in (may be given several times)
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Where /ready and /live are answered
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub(crate) health: SocketAddr,
    /// How long it says that it is not ready before it stops to accept
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(crate) pause: pluvio_model::quantity::Span,
    /// How long requests under way may take then
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub(crate) drain: pluvio_model::quantity::Span,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Undo what was changed elsewhere since the last apply
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Open ports that components dial and others do not declare
    #[arg(long)]
    pub(crate) open_ports: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// app.yaml, or - for stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on as lines come
    #[arg(short, long, alias = "tail-follow")]
    pub(crate) follow: bool,
    /// The last so many lines
    #[arg(short = 'n', long, default_value_t = 200)]
    pub(crate) tail: usize,
    /// Only lines that contain it
    #[arg(long)]
    pub(crate) contains: Option<String>,
    /// Only lines since: a span (10m) or a time
    #[arg(long)]
    pub(crate) since: Option<String>,
    #[arg(long)]
    pub(crate) instance: Option<String>,
    #[arg(long)]
    pub(crate) component: Option<String>,
    /// Only a sidecar or init step; `main` for the component's own
    #[arg(long)]
    pub(crate) container: Option<String>,
    /// Show times
    #[arg(long)]
    pub(crate) timestamps: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[arg(long)]
    pub(crate) instance: Option<String>,
    #[arg(long)]
    pub(crate) component: Option<String>,
    /// A sidecar of the instance
    #[arg(long)]
    pub(crate) container: Option<String>,
    /// The command; a shell when absent
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show the variables
    List,
    /// Set variables and roll the instances
    Set(SetArgs),
    /// Print the value of one variable
    Get(GetArgs),
    /// Remove variables and roll the instances
    Unset(UnsetArgs),
    /// Set all variables of a .env file
    Import { file: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// NAME=VALUE
    #[arg(required = true)]
    pub(crate) pairs: Vec<String>,
    #[arg(long)]
    pub(crate) component: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) component: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UnsetArgs {
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    #[arg(long)]
    pub(crate) component: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Names and versions
    List,
    /// Set a secret; the value is read from stdin when absent
    Set { name: String, value: Option<String> },
    /// Remove a secret that nothing references
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleasesCommand {
    List,
    /// What differs between two releases
    Diff {
        from: String,
        to: String,
    },
    /// One release
    Show {
        number: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationCommand {
    Show { id: String },
    Follow { id: String },
    Cancel { id: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    List,
    /// Store a credential; the password, token or key is read from stdin
    Set {
        name: String,
        /// registry, git-https, git-ssh
        #[arg(long)]
        kind: String,
        #[arg(long)]
        host: String,
        #[arg(long)]
        username: Option<String>,
    },
    Remove {
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create {
        name: String,
        /// owner or reader
        #[arg(long)]
        role: Option<String>,
    },
    List,
    Revoke {
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// All of them
    List,
    /// One of them; the engine when none is named
    Show { name: Option<String> },
    /// Add a Kubernetes cluster, or change the credential or the settings of one
    Add(crate::commands::cluster::AddArgs),
    /// Look at a cluster step by step, without adding it
    Check {
        /// A kubeconfig, or - for stdin
        #[arg(long, value_name = "FILE")]
        kubeconfig: std::path::PathBuf,
        /// The context in it; its current one when absent
        #[arg(long)]
        context: Option<String>,
    },
    /// What is in a cluster, whoever made it: a list of one kind, or one object whole
    Objects(crate::commands::objects::ObjectsArgs),
    /// Take a cluster out; its data volumes stay there, and are listed
    Remove {
        name: String,
        /// The cluster is gone for good: ask nothing of it
        #[arg(long)]
        abandon: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Make a new credential of Pluvio's own account there, and end the one before
    Rotate { name: String },
    /// Take the engine that answers now for the one of before
    Rebind,
}
