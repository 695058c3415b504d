//! What `plan` and `deploy` are asked.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Folder, archive (.zip, .tar, .tar.gz), Git URL, image, app.yaml, compose file, template or -
    #[arg(default_value = ".")]
    pub(crate) source: String,
    /// `engine` or `kubernetes`
    #[arg(long = "for", value_name = "RUNTIME")]
    pub(crate) runtime: Option<String>,
    /// `manifests`: the lowered objects
    #[arg(short, long, value_name = "FORM")]
    pub(crate) output: Option<String>,
    /// Allow the network: ask a registry what an image holds
    #[arg(long)]
    pub(crate) pull: bool,
    /// The application's name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Of a repository: branch, tag or commit
    #[arg(long = "ref")]
    pub(crate) reference: Option<String>,
    /// Sub-directory
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// Of a compose file: a variable that it names, NAME=VALUE
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Of a compose file: its variables, instead of `.env`
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) compose: ComposeArgs,
}

/// How compose files are read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ComposeArgs {
    /// A compose file; several are laid over each other
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Take services of this profile along
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Folder, archive (.zip, .tar, .tar.gz), Git URL, image, app.yaml or compose file; the folder you are in when absent
    pub(crate) source: Option<String>,
    /// The application's name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Branch, tag or commit
    #[arg(long = "ref")]
    pub(crate) reference: Option<String>,
    /// Sub-directory
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// A stored credential for the source
    #[arg(long)]
    pub(crate) credential: Option<String>,
    /// The HTTP port the program listens on
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Set a variable, NAME=VALUE (may be given several times)
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Take variables from a .env file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Dockerfile, relative to the source
    #[arg(long)]
    pub(crate) dockerfile: Option<String>,
    /// Dockerfile's target
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Build argument, NAME=VALUE
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub(crate) build_args: Vec<String>,
    /// Resolve image names again
    #[arg(long)]
    pub(crate) pull: bool,
    #[command(flatten)]
    pub(crate) compose: ComposeArgs,
    /// Deploy without what the plan refuses
    #[arg(long)]
    pub(crate) accept_refused: bool,
    /// Open ports that components dial and others do not declare
    #[arg(long)]
    pub(crate) open_ports: bool,
}
