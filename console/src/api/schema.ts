// Written by `npm run api` from crates/api/openapi.json. Do not edit.

export type Amounts = {
  capacity: number
  /** What pods may have of it. */
  allocatable: number
  /** What pods have asked for. */
  allocated: number
  /** As the metrics API says; absent where there is none, and for what it does not measure. */
  used?: number | null
}

export type ApplicationDetail = ApplicationSummary & ({
  power: Power
  created_at: string
  components: ComponentDetail[]
  volumes: VolumeSummary[]
  /** The newest operations, running ones first. */
  operations: Operation[]
  /** How old what is seen is, in milliseconds; `None` when the node does not answer. */
  seen_ms_ago?: number | null
  problem?: Problem | null
})

export type ApplicationId = string

export type ApplicationSummary = {
  id: ApplicationId
  name: string
  display_name?: string | null
  status: Status
  /** `1 of 2 ready`; empty when there is nothing to say. */
  status_note: string
  urls: string[]
  /** The release that serves. */
  live_release?: number | null
  target_release?: number | null
  instances_ready: number
  instances_wanted: number
  /** Thousandths of a core, all instances. */
  cpu_millis?: number | null
  memory_bytes?: number | null
  /** Requests per second over the last minute. */
  requests_per_second?: number | null
  updated_at: string
  operation?: OperationId | null
}

/** Mounts a volume in a component. */
export type AttachVolume = {
  application: string
  component: string
  /** Where, in the container. */
  path: string
  /** What the application calls it; as it is called now when absent. */
  name?: string | null
  /**
   * `exclusive` or `shared`; as it was mounted last when absent. `shared` makes those of the application that mount it
   * already share it too.
   */
  access?: string | null
  read_only?: boolean
}

/** What a check of the chain found. A broken one is answered with the problem `audit.broken`. */
export type AuditReport = {
  /** Records that are as they were written. */
  sealed: number
  /** Newer ones that were written while it was checked. */
  open: number
}

/** One thing that was done, asked or refused. */
export type AuditRow = {
  /** Grows; the chain goes by it. */
  number: number
  at: string
  /** Absent for what belongs to the installation: sign-ins, users, tokens, the cluster. */
  team?: string | null
  /** `pluvio` for what it did by itself. */
  actor: string
  /** `application:deploy` */
  action: string
  /** `application shop` */
  object: string
  /** `done`, `asked`, `refused` … */
  result: string
  /** False for the last moment's, until they are chained. */
  sealed: boolean
}

/** A dump that the platform keeps, or was to keep. */
export type Backup = {
  id: BackupId
  /** The database component that it is of. */
  component: string
  /** Engine and version that wrote it: `postgres@17`. */
  database: string
  reason: BackupReason
  state: BackupState
  actor: string
  operation?: OperationId | null
  /** The time that its schedule named. */
  scheduled_at?: string | null
  begun_at: string
  ended_at?: string | null
  /** As kept, compressed. */
  bytes?: number | null
  /** As dumped. */
  plain_bytes?: number | null
  /** Of the file as kept, and as it is downloaded. */
  sha256?: string | null
  /** When it was last read from its beginning to its end and found whole. */
  verified_at?: string | null
  problem?: Problem | null
}

export type BackupId = string

export type BackupReason = "asked" | "schedule" | "upload"

export type BackupSchedule = {
  /** Five fields of cron. */
  cron: string
  /** IANA time zone; UTC when absent. */
  time_zone?: string | null
  keep?: number | null
  /** `30d` */
  keep_for?: string | null
}

export type BackupState = "running" | "kept" | "failed"

export type BuiltFrom = {
  builder: string
  commit?: string | null
  message?: string | null
  author?: string | null
  branch?: string | null
  duration_ms: number
}

export type Change = "added" | "changed" | "removed"

/** What a change would do, before it is done. */
export type ChangePreview = {
  /** The number the new release will have. */
  number: number
  diff: ComponentDiff[]
  effects: ComponentEffect[]
  /** Sentences by code, each with what it is about. */
  notes: PreviewNote[]
  /** How long the like took before, in milliseconds. */
  usual_ms?: number | null
}

/** In the order in which they are done. */
export type CheckName = "kubeconfig" | "reach" | "identity" | "version" | "permissions" | "account" | "storage-classes" | "ingress" | "network-policies" | "metrics" | "nodes"

/** What a look at a cluster found, step by step. */
export type CheckReport = {
  at: string
  /** The API server's URL, as the kubeconfig says; absent if it cannot be read. */
  server?: string | null
  identity?: ClusterId | null
  /** `1.34.4` */
  version?: string | null
  /** In the order in which they are read: a later one often needs an earlier one. */
  steps: CheckStep[]
  findings: ClusterFindings
}

export type CheckState = "passed" | "warning" | "failed" | "skipped"

/** One thing that was looked at. */
export type CheckStep = {
  name: CheckName
  state: CheckState
  /** What was found, a sentence. */
  found: string
  /** More of it, a line each: the permissions that are missing, the classes that are there. */
  details?: string[]
  /** How to come by what is missing. */
  remedy?: string | null
}

/** Copies a volume's data into a new one. */
export type CloneVolume = {
  /** Of the new volume. */
  name: string
  /** The application that the new one is for; the volume's own when absent. */
  application?: string | null
}

/** A cluster that was added, and how it was found. */
export type ClusterAdded = ClusterSummary & {
  report: CheckReport
}

export type ClusterDetail = {
  name: string
  facts?: Facts | null
  reachable: boolean
  message: string
}

/** What the cluster told of an object. */
export type ClusterEvent = {
  is_warning: boolean
  /** `FailedScheduling` */
  reason: string
  message: string
  /** What it is about. */
  kind: string
  namespace?: string | null
  name: string
  count: number
  first?: string | null
  last?: string | null
  /** `kubelet, node-1` */
  source: string
}

/** What the steps found, for programs. */
export type ClusterFindings = {
  /** Who the cluster says is asking. */
  user?: string | null
  /** What is not allowed and the runtime needs, `create deployments.apps`. */
  missing_permissions?: string[]
  /** Whether a lesser account can be made. */
  can_make_account?: boolean
  storage_classes?: StorageClassFound[]
  /** Whether the kinds of the Gateway API are there. */
  gateway_api?: boolean
  /** Gateways of the cluster's own Gateway API implementation, `NAMESPACE/NAME`. */
  gateways?: string[]
  load_balancer?: LoadBalancerGuess
  /** External addresses of nodes, internal ones of those that have none. */
  node_addresses?: string[]
  network_policies?: PolicyEnforcement
  /** Whether the cluster answers what nodes and pods use. */
  metrics?: boolean
  /** `amd64`, `arm64` */
  architectures?: string[]
  nodes?: number
  ready_nodes?: number
}

/** A runtime target: an engine (by the identity it keeps) or a Kubernetes cluster. */
export type ClusterId = string

/** A cluster as it is now. */
export type ClusterOverview = {
  /** `1.34.4` */
  version: string
  /** What could not be seen, and why: the rest is what is there. */
  unseen?: Unseen[]
  /** Of all nodes together. */
  resources: NodeResources
  ready_nodes: number
  /** Pods that have not ended, of everybody. */
  pods: number
  /** By name. */
  nodes: NodeOverview[]
  /** What of ours runs there, by namespace and name. */
  workloads: WorkloadOverview[]
  /** Warnings first, then the newest first. */
  events: ClusterEvent[]
  /** By name. */
  storage_classes?: StorageClassFound[]
}

/** What stays on a cluster that was taken out. */
export type ClusterRemoved = {
  volumes: VolumeLeft[]
}

/** A cluster that is added, or whose credential or settings change: the same name again. */
export type ClusterRequest = {
  name: string
  /** A kubeconfig's text. It is used to make an account of Pluvio's own, and is kept only if that cannot be made. */
  kubeconfig: string
  /** The context in it; its current one when absent. */
  context?: string | null
  settings?: PlaceSettings
}

export type ClusterState = "connected" | "connecting" | "away" | "leaving"

export type ClusterSummary = {
  /** `local` is the engine of this machine. */
  name: string
  kind: RuntimeKind
  /** How it is reached. */
  address: string
  state: ClusterState
  /** Since when it does not answer. */
  since?: string | null
  problem?: Problem | null
  facts?: Facts | null
  settings: PlaceSettings
  /** The environments that are on it, as TEAM/NAME. */
  environments: string[]
  created_at: string
}

export type ComponentDetail = {
  name: string
  kind: string
  status: Status
  status_note: string
  /** A person stopped it, by itself or with the application. */
  stopped?: boolean
  image: string
  image_id: string
  instances_wanted: number
  scale?: ScaleSpec | null
  scaling?: ObservedScaling | null
  /** Of a component outside, each of its addresses. */
  instances: InstanceDetail[]
  /** Of a component outside, as they are written. */
  addresses?: string[]
  ports: PortDetail[]
  routes: RouteDetail[]
  env: EnvRow[]
  files: FileRow[]
  mounts: MountRow[]
  resources: ResourcesRow
  probes: ProbeRow[]
  /** `surge`, `stop-then-start` or `ordered`. */
  strategy: string
  drain_ms: number
  built_from?: BuiltFrom | null
}

export type ComponentDiff = {
  component: string
  change: Change
  rows: DiffRow[]
}

export type ComponentEffect = {
  component: string
  /** `unchanged`, `replaced`, `scaled`, `added`, `removed`, `routes` */
  effect: string
  instances_before: number
  instances_after: number
  /** Requests are held while it stops and starts (an exclusive volume). */
  held: boolean
}

/** A change to one component; absent fields stay. Becomes a new revision and release. */
export type ComponentPatch = {
  instances?: number | null
  /** Set (text) or remove (null). */
  env?: Record<string, string | null>
  /** Set or remove (null), by path. */
  files?: Record<string, FilePatch>
  resources?: ResourcesPatch | null
  /** The `probes` part of the AppSpec. */
  probes?: Record<string, unknown> | null
  /** The `routes` part of the AppSpec. */
  routes?: Record<string, unknown>[] | null
  /** The `volumes` part of the AppSpec. */
  volumes?: Record<string, unknown> | null
  image?: string | null
}

/** How far one component is. */
export type ComponentProgress = {
  component: Name
  state: StepState
  /** `1 of 2 ready`, `waits for db` */
  note?: string
}

/** A container of a pod. */
export type ContainerSeen = {
  name: string
  image: string
  /** It runs before the others. */
  is_init: boolean
  is_ready: boolean
  restarts: number
  state: ObjectState
  /** `CrashLoopBackOff: back-off 5m0s restarting failed container` */
  note: string
}

/** A SHA-256 over a canonical form, as 64 hex digits. Two equal hashes mean equal content. */
export type ContentHash = string

/** The data that a copy begins with. */
export type CopyData = "none" | "volumes" | "all"

/** What a copy would be: everything in which it differs. */
export type CopyPreview = {
  environment: string
  name: string
  /** The original's release that is copied. */
  release: number
  rows: CopyRow[]
  /** What comes along as it is and may not be what is wanted. */
  notes: string[]
  /** Secrets that were set by hand and have no value for the copy yet. */
  missing: string[]
}

/** A copy of an application. What is absent is as in the original, under the rules of the table. */
export type CopyRequest = {
  /** The environment where the copy is made. */
  to: string
  /** The copy's name; the original's when absent. */
  name?: string | null
  /** By component. */
  instances?: Record<string, number>
  /** New hosts, by those that the original's routes say. */
  hosts?: Record<string, string>
  /** Other images, by component. */
  images?: Record<string, string>
  /** Branches, tags or commits of components that are built from Git. */
  references?: Record<string, string>
  /** Values of secrets. */
  secrets?: Record<string, string>
  /** Take the values of secrets along that were set by hand. */
  copy_secrets?: boolean
  /** What its volumes and databases begin with. */
  data?: CopyData
  /** With `data` `none`: these volumes all the same, and databases by their component. */
  data_of?: string[]
}

export type CopyRow = {
  /** `name`, `host`, `instances`, `image`, `branch`, `machine-port`, `volume`, `database`, `secret` */
  what: string
  /** The component, the volume or the secret. */
  about: string
  /** The key of the specification that differs; empty where none does. */
  path: string
  before: string
  after: string
}

export type CredentialRequest = {
  /** `registry`, `git-https`, `git-ssh` */
  kind: string
  /** The host it is for: `ghcr.io`, `github.com`. */
  host: string
  username?: string | null
  /** A password, token or private key. Sealed; never shown again. */
  secret: string
}

export type CredentialSummary = {
  name: string
  kind: string
  host: string
  username?: string | null
  set_at: string
}

/** A figure that is told for each pod, or for something outside the cluster. */
export type CustomMetric = {
  /** Its name in the metrics API: `http_requests_per_second`. */
  metric: string
  /** Whose figure it is. */
  of?: MetricOf
  /** Only series with these labels. */
  labels?: Record<string, string>
  /** So much for each instance: `100`, `2500m`, `1k`. */
  perInstance: string
}

export type DatabaseAddress = {
  component: string
  url: string
}

/** How a database is, read from it when somebody asks. */
export type DatabaseFigures = {
  at?: string | null
  /** As the server names itself: `17.6`. */
  version?: string | null
  uptime_seconds?: number | null
  /** Of the data: on the disk (PostgreSQL, MariaDB), in memory (Redis). */
  size_bytes?: number | null
  /** Tables, or keys of Redis. */
  objects?: number | null
  connections?: number | null
  connections_limit?: number | null
  /** Transactions (PostgreSQL), statements (MariaDB) or commands (Redis) a second. */
  per_second?: number | null
  /** Of all reads, those that were answered from memory: 0 to 1. */
  hit_ratio?: number | null
  /** What takes longest: statements at work now, or of Redis the slow log. */
  slowest?: SlowStatement[]
}

export type DatabaseParameter = {
  name: string
  value: string
  /** False where it follows from the memory it may take. */
  asked: boolean
}

/** A database more for an application. */
export type DatabaseRequest = {
  component: string
  /** `postgres@17` */
  database: string
  parameters?: Record<string, string>
  backups?: BackupSchedule | null
}

export type DatabaseSummary = {
  component: string
  /** postgres, mariadb, redis */
  engine: string
  /** As asked: `17`, `10.11` */
  version: string
  /** Whether an instance answers. */
  ready: boolean
  instance?: string | null
  host: string
  port: number
  user: string
  database: string
  parameters: DatabaseParameter[]
  /** The names that may be set. */
  known_parameters: string[]
  backups?: DecidedBackups | null
  protection: Protection
  last_good?: Backup | null
  last_failed?: Backup | null
  next_backup_at?: string | null
}

export type DatabaseUser = {
  name: string
  rights: UserRights
  /** The application's own, which its secret is the password of: neither changed nor removed. */
  own: boolean
}

export type DecidedBackups = {
  cron: string
  /** IANA time zone; UTC when absent. */
  time_zone?: string | null
  /** So many of those made by the clock are kept; 0: as many as there are. */
  keep: number
  keep_for?: Span | null
}

/** Deploys; makes the application if it is not there. */
export type DeployRequest = {
  /** The specification. Absent: the target's, built again from its source. */
  spec?: Record<string, unknown> | null
  /** The archive that `source: {path: …}` components are built from, by its SHA-256. */
  upload?: string | null
  source_note?: SourceNote | null
  /** Resolve image names again instead of keeping the parent's digests. */
  pull?: boolean
  /** Values of secrets to set with the deploy. */
  secrets?: Record<string, string>
  /** Refuse to change an application that exists. */
  create_only?: boolean
  /** Without a `spec`: only these components are built or pulled anew; all when none is named. */
  components?: string[]
  /** Of an apply: undo what was changed elsewhere since the last one. */
  take_over?: boolean
}

/** Takes a volume's mounts out of an application. */
export type DetachVolume = {
  application: string
  /** Only of this component. */
  component?: string | null
  /** Only the one at this path. */
  path?: string | null
}

export type Detected = {
  kind: string
  /** Evidence, one sentence each. */
  why: string[]
  alternatives: string[]
}

export type DiffRow = {
  /** `image`, `env PORT`, `limits.memory` */
  what: string
  change: Change
  before?: string | null
  after?: string | null
}

export type DoctorCheck = {
  /** `engine`, `kernel`, `ports`, `disk`, `names`, `clock`, `git` */
  name: string
  /** `ok`, `warning`, `failed` */
  verdict: string
  message: string
  remedy?: string | null
}

export type DoctorReport = {
  checks: DoctorCheck[]
}

/** What passes to one port, or by one route. */
export type EdgeTraffic = {
  /** The port's name. */
  port: string
  /** `http`, `http2`, `tcp` */
  protocol: string
  /** Host and path, from the gateway. */
  route?: string | null
  /** Requests per second; of TCP, connections that ended. */
  requests_per_second: number
  /** Answers with status 5xx; of TCP, connections that no instance took. */
  errors_per_second: number
  /** Answers with status 4xx. */
  client_errors_per_second: number
  /** Until the answer's head; of TCP nothing is known of answers. */
  p50_ms?: number | null
  p95_ms?: number | null
  /** Bytes towards the component. */
  received_per_second: number
  /** Bytes back. */
  sent_per_second: number
  /** Requests in flight, or connections that are open. */
  open: number
}

export type EnvRow = {
  name: string
  /** With secrets as `${secrets.NAME}`. */
  value: string
  secret: boolean
  /** `yours`, `group NAME`, `from db`, `pluvio` (PORT). */
  origin: string
}

/** An environment that was deleted, and what stays of it for now. */
export type EnvironmentDeleted = {
  deleted: string
  left?: NamespaceLeft | null
}

export type EnvironmentRequest = {
  name: string
  /** The cluster that its applications run on; the engine when absent. */
  cluster?: string | null
}

export type EnvironmentSummary = {
  name: string
  /** The one that the team began with; it stays. */
  first: boolean
  applications: number
  /** The cluster that its applications run on; `local` is the engine. */
  cluster: string
  created_at: string
}

/** A row of the event log. `seq` grows over the whole installation and is what `Last-Event-ID` holds. */
export type Event = {
  seq: number
  at: string
  application?: ApplicationId | null
  operation?: OperationId | null
  body: EventBody
}

export type EventBody = {
  name: string
  type: "application-created"
} | {
  name: string
  type: "application-deleted"
} | {
  operation: Operation
  type: "operation-changed"
} | {
  number: number
  type: "release-decided"
} | {
  number: number
  generation: number
  type: "target-moved"
} | {
  number: number
  type: "release-live"
}

export type ExitRecord = {
  code: number
  /** Killed for memory, as far as can be told. */
  oom: boolean
  at: string
  /** The last lines of its log, at most 20; of the hook's output where that is why it was stopped. */
  last_lines: string[]
  /** The hook after its start that failed, for which it was stopped: `the hook … ended with exit code 3`. */
  hook?: string | null
}

export type Exposure = "load-balancer" | "node-port" | "host-port"

export type Facts = {
  cluster: ClusterId
  runtime: RuntimeKind
  /** The engine's version, for people. */
  version: string
  /** `amd64`, `arm64` … */
  architecture: string
  reach: Reach
  rootless: boolean
  /** Cores of the machine or cluster, in thousandths. */
  cpu_millis: number
  memory_bytes: number
}

/** Asks the server to fetch a file. */
export type FetchRequest = {
  /** `https://…` or `http://…` */
  url: string
}

/** What was fetched. A text comes back as it is; an archive is kept as an upload. */
export type Fetched = {
  /** Where it was in the end, redirects followed. */
  url: string
  /** The file's name. */
  name: string
  bytes: number
  text?: string | null
  /** For `{ "upload": … }` in a plan. */
  upload?: string | null
}

export type FileEntry = {
  name: string
  kind: FileKind
  /** Of a file, in bytes. */
  size: number
  /** Octal permission bits, as `ls -l` numbers them: `0644`. */
  mode: string
  user: number
  group: number
  modified?: string | null
  /** Where a link points, as it is written. */
  target?: string | null
}

export type FileKind = "file" | "folder" | "link" | "other"

export type FilePatch = {
  content: string
  hot?: boolean
  mode?: string | null
}

export type FileRow = {
  path: string
  content: string
  hot: boolean
  secret: boolean
}

/** An offer to mend what a problem tells of. */
export type Fix = {
  component: string
  /** What the port shall be called. */
  name: string
  port: number
  /** `http`, `http2`, `tcp`, `udp` */
  protocol: string
  fix: "open-port"
} | {
  name: string
  /** What the source says about it. */
  message?: string | null
  fix: "set-variable"
} | {
  component: string
  uses: string
  fix: "add-use"
} | {
  component: string
  /** Which of its `uses`, from 0. */
  index: number
  prefix: string
  fix: "prefix-use"
} | {
  component: string
  index: number
  fix: "remove-use"
} | {
  component: string
  index: number
  uses: string
  fix: "replace-use"
}

/** A folder's entries, by name; folders first. */
export type Folder = {
  /** From the volume's root, without a slash before: empty for the root itself. */
  path: string
  entries: FileEntry[]
  /** Entries that are not shown: there are more than one answer holds. */
  left_out: number
}

/** Who serves an application's routes on a cluster. */
export type GatewayChoice = {
  kind: "own"
} | {
  namespace: string
  name: string
  kind: "cluster"
} | {
  kind: "none"
}

export type GitRequest = {
  url: string
  ref?: string | null
  path?: string | null
  credential?: string | null
}

/** What a team has in the registry. */
export type ImageList = {
  /** By which clusters and people name the registry; absent where none is served. */
  host?: string | null
  /** Bytes that the team's images take; what several repositories share counts once. */
  used: number
  /** Bytes that they may take; absent where there is no limit. */
  quota?: number | null
  items: ImageRepository[]
}

/** What a team's images may take. */
export type ImageQuota = {
  /** Bytes; absent: as the configuration says. */
  bytes?: number | null
}

export type ImageRepository = {
  /** `TEAM/APP/COMPONENT`, or whatever was pushed below the team's name. */
  name: string
  tags: number
  manifests: number
  bytes: number
  pushed_at?: string | null
}

export type ImageTag = {
  name: string
  digest: string
  media_type: string
  /** What it names, together; of an index its own size only. */
  bytes: number
  updated_at: string
}

/** What a collection removed. */
export type ImagesCollected = {
  tags: number
  manifests: number
  /** Layers and configurations that no manifest of their repository named. */
  contents: number
  /** Files that no repository held, and their bytes. */
  files: number
  bytes: number
  /** Pushes that nobody went on with. */
  uploads: number
}

export type InstanceDetail = ObservedInstance & ({
  /** True for instances of the content that the target wants. */
  current: boolean
  /** Thousandths of a core, the last minutes, oldest first. */
  cpu_millis: number[]
  memory_bytes: number[]
  memory_limit?: number | null
})

/** What happened to an instance; the same thing again is counted, not told twice. */
export type InstanceEvent = {
  component: Name
  /** As [`ObservedInstance::name`]; it may be gone. */
  instance: string
  /** The sidecar or init step that it happened to; absent for the instance and its main container. */
  container?: string | null
  is_warning: boolean
  /** In one word, as Kubernetes writes it: `Started`, `Unhealthy`, `OOMKilled`. */
  reason: string
  message: string
  count: number
  first: string
  last: string
}

export type InstanceState = {
  state: "creating"
} | {
  state: "starting"
} | {
  state: "ready"
} | {
  state: "not-ready"
} | {
  state: "draining"
} | {
  state: "stopping"
} | {
  until: string
  state: "back-off"
} | {
  state: "exited"
} | {
  state: "unknown"
}

/** What a Secret or ConfigMap has, without the value. */
export type KeySize = {
  key: string
  bytes: number
}

/** A one-time sign-in link's token. */
export type LinkSignIn = {
  token: string
}

/** Whether Services of type LoadBalancer get an address. Kubernetes does not say; what runs there does. */
export type LoadBalancerGuess = {
  by: string
  guess: "likely"
} | {
  guess: "unlikely"
}

/** A place in a text: line and column from 1, and the path of keys. */
export type Location = {
  file?: string | null
  line?: number | null
  column?: number | null
  /** `components.web.ports` */
  path?: string
}

/** A log line on the wire (NDJSON, or the data of a server-sent event). */
export type LogEntry = {
  at: string
  component: string
  instance: string
  /** The sidecar or init step that says it; absent for a main container. */
  container?: string | null
  /** `out`, `err`, `pluvio` */
  stream: string
  text: string
}

export type MetricOf = "instances" | "external"

export type MountRow = {
  path: string
  kind: string
  volume?: string | null
  access?: string | null
  size?: number | null
}

/** A slug: `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes, without `--` (which joins derived names). */
export type Name = string

/** A namespace that stays on a cluster after its environment, until nothing is in it. */
export type NamespaceLeft = {
  cluster: string
  name: string
  /** What is in it, each as `PersistentVolumeClaim data`; nothing while that is not known. */
  holds: string[]
  problem?: Problem | null
}

/** A permission that deploying a plan needs besides the one to deploy. */
export type NeededPermission = {
  /** `host:access` */
  permission: string
  /** What asks for it: `components.web.host.privileged`. */
  path: string
  /** Whether the caller has it. */
  held: boolean
}

export type NeedsYou = {
  application: string
  problem: Problem
  operation?: OperationId | null
  since: string
}

export type NodeAddress = {
  /** `InternalIP`, `ExternalIP`, `Hostname` */
  kind: string
  address: string
}

export type NodeCondition = {
  /** `Ready`, `MemoryPressure` */
  kind: string
  /** `True`, `False`, `Unknown` */
  status: string
  /** Whether that is as it should be. */
  is_good: boolean
  reason: string
  message: string
  since?: string | null
}

export type NodeOverview = {
  name: string
  is_ready: boolean
  /** New pods are not placed there: it was cordoned. */
  is_cordoned: boolean
  /** `control-plane` */
  roles: string[]
  addresses: NodeAddress[]
  /** `1.34.4` */
  kubelet: string
  /** `containerd://1.6.20` */
  container_runtime: string
  /** `Debian GNU/Linux 12 (bookworm)` */
  system: string
  /** `amd64` */
  architecture: string
  zone?: string | null
  resources: NodeResources
  /** Pods on it that have not ended, and how many it takes. */
  pods: number
  most_pods: number
  /** Instances of Pluvio's applications among them. */
  instances: number
  conditions: NodeCondition[]
  taints: NodeTaint[]
  /** Those that whoever runs the cluster gave it, and its zone: none that Kubernetes gives every node. */
  labels?: Record<string, string>
  since?: string | null
}

/** Cores in thousandths and bytes. */
export type NodeResources = {
  cpu: Amounts
  memory: Amounts
  /** On the nodes' own disks, for images and what containers write. */
  disk: Amounts
}

export type NodeTaint = {
  key: string
  value?: string
  /** `NoSchedule` */
  effect: string
}

export type ObjectCell = {
  /** `Ready` */
  name: string
  /** `1/2` */
  value: string
}

/** One object of a cluster whole, with what belongs to it. */
export type ObjectDetail = {
  namespace?: string | null
  name: string
  /** Pluvio made it, or it belongs to one of its applications. */
  is_ours: boolean
  /** As it is in the cluster. Of Secrets and ConfigMaps sizes stand where values are. */
  yaml: string
  /** Of a pod. */
  containers: ContainerSeen[]
  /** Of a Secret or ConfigMap. */
  keys: KeySize[]
  /** What the cluster told of it lately, the newest first. */
  events: ClusterEvent[]
}

/** An object as a list shows it, as the cluster itself tells of it: never what a Secret holds. */
export type ObjectRow = {
  namespace?: string | null
  name: string
  created?: string | null
  /** Pluvio made it, or it belongs to one of its applications. */
  is_ours: boolean
  /** The application's name, where it belongs to one. */
  application?: string | null
  state: ObjectState
  /** `its image cannot be pulled`; empty when there is nothing to say. */
  note: string
  /** What the cluster shows of this kind, in its order. */
  cells: ObjectCell[]
}

/** How an object is, in one word. */
export type ObjectState = "running" | "waiting" | "degraded" | "failed" | "succeeded" | "stopped" | "there"

export type ObservedInstance = {
  /** Unique and stable: `shop--web--3f9c1d2e-k2x7`. */
  name: string
  /** Which of its component's it is, where instances have names of their own: 2 is `db-2`, the third. */
  ordinal?: number | null
  hash: ContentHash
  /** The release it was made for. */
  release: number
  state: InstanceState
  /** Where it is dialled, `10.201.0.5`. */
  address?: string | null
  /** When its program last started. */
  started_at?: string | null
  /** When it first was ready; `None` while it never was. */
  ready_at?: string | null
  /** Starts after the first, by Pluvio. */
  restarts: number
  last_exit?: ExitRecord | null
  probe?: ProbeAnswer | null
  /** Requests in flight through the gateway. */
  in_flight: number
  /** Its sidecars, in the order of the specification. */
  sidecars?: ObservedSidecar[]
}

/** A figure that the number of instances goes by, as people read it. */
export type ObservedMetric = {
  /** `cpu`, `memory`, or a metric's own name. */
  metric: string
  /** `64 %`, `120`; absent while nothing is known. */
  now?: string | null
  target: string
}

/** One run of a program that comes to an end. */
export type ObservedRun = {
  /** Names it in its application. */
  key: string
  component: Name
  kind: RunKind
  /** What was run; for tasks, what the stage named it by. */
  hash: ContentHash
  /** The release it was run for. */
  release: number
  /** Whose output to read in the logs. */
  instance: string
  state: RunState
  /** The time that the schedule named. */
  scheduled_at?: string | null
  started_at?: string | null
  ended_at?: string | null
  exit?: ExitRecord | null
  problem?: Problem | null
}

/** How many instances there may be now, and what the number goes by. */
export type ObservedScaling = {
  min: number
  max: number
  by: ObservedMetric[]
  /** When the clock sets other bounds. */
  next?: string | null
  problem?: Problem | null
}

/** A container beside an instance's main one. */
export type ObservedSidecar = {
  /** As the specification calls it. */
  name: Name
  state: InstanceState
  /** When its program last started. */
  started_at?: string | null
  /** Starts after the first that it caused itself. */
  restarts: number
  last_exit?: ExitRecord | null
  probe?: ProbeAnswer | null
}

export type Operation = {
  id: OperationId
  application: ApplicationId
  application_name: string
  kind: OperationKind
  actor: string
  asked_at: string
  ended_at?: string | null
  /** The release it made, once decided. */
  release?: number | null
  steps: Step[]
  /** How far each component is that the operation changes, in the order in which they were met. */
  components?: ComponentProgress[]
  hindrance?: Problem | null
  outcome?: Outcome | null
  /** Someone asked to cancel it. */
  cancel_requested?: boolean
  /** In a sentence: `Deploy storefront from main @ 4f1c9ae`. */
  title?: string
}

export type OperationId = string

export type OperationKind = "deploy" | "apply" | "rollback" | "scale" | "configure" | "restart" | "stop" | "start" | "delete" | "copy-volume" | "copy" | "promote" | "backup" | "restore"

/** A line of an operation's log. */
export type OperationLogEntry = {
  seq: number
  at: string
  step: StepName
  /** `info`, `command`, `warning`, `error` */
  level: string
  text: string
}

/** Where a revision came from. */
export type Origin = {
  kind: "deploy"
} | {
  kind: "apply"
} | {
  what: string
  kind: "patch"
} | {
  to: number
  kind: "rollback"
} | {
  components?: Name[]
  kind: "restart"
} | {
  application: Name
  environment: Name
  release: number
  kind: "copy"
} | {
  application: Name
  environment: Name
  release: number
  kind: "promote"
}

export type Outcome = {
  outcome: "succeeded"
} | {
  problem: Problem
  outcome: "failed"
} | {
  outcome: "cancelled"
} | {
  by?: OperationId | null
  outcome: "superseded"
}

/** An overview's first paint. */
export type Overview = {
  applications: Page_ApplicationSummary
  applications_total: number
  running: Operation[]
  lately: Operation[]
  needs_you: NeedsYou[]
  samples: SampleSummary[]
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ApplicationSummary = {
  items: ({
    id: ApplicationId
    name: string
    display_name?: string | null
    status: Status
    /** `1 of 2 ready`; empty when there is nothing to say. */
    status_note: string
    urls: string[]
    /** The release that serves. */
    live_release?: number | null
    target_release?: number | null
    instances_ready: number
    instances_wanted: number
    /** Thousandths of a core, all instances. */
    cpu_millis?: number | null
    memory_bytes?: number | null
    /** Requests per second over the last minute. */
    requests_per_second?: number | null
    updated_at: string
    operation?: OperationId | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_AuditRow = {
  items: ({
    /** Grows; the chain goes by it. */
    number: number
    at: string
    /** Absent for what belongs to the installation: sign-ins, users, tokens, the cluster. */
    team?: string | null
    /** `pluvio` for what it did by itself. */
    actor: string
    /** `application:deploy` */
    action: string
    /** `application shop` */
    object: string
    /** `done`, `asked`, `refused` … */
    result: string
    /** False for the last moment's, until they are chained. */
    sealed: boolean
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_Backup = {
  items: ({
    id: BackupId
    /** The database component that it is of. */
    component: string
    /** Engine and version that wrote it: `postgres@17`. */
    database: string
    reason: BackupReason
    state: BackupState
    actor: string
    operation?: OperationId | null
    /** The time that its schedule named. */
    scheduled_at?: string | null
    begun_at: string
    ended_at?: string | null
    /** As kept, compressed. */
    bytes?: number | null
    /** As dumped. */
    plain_bytes?: number | null
    /** Of the file as kept, and as it is downloaded. */
    sha256?: string | null
    /** When it was last read from its beginning to its end and found whole. */
    verified_at?: string | null
    problem?: Problem | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ClusterSummary = {
  items: ({
    /** `local` is the engine of this machine. */
    name: string
    kind: RuntimeKind
    /** How it is reached. */
    address: string
    state: ClusterState
    /** Since when it does not answer. */
    since?: string | null
    problem?: Problem | null
    facts?: Facts | null
    settings: PlaceSettings
    /** The environments that are on it, as TEAM/NAME. */
    environments: string[]
    created_at: string
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_CredentialSummary = {
  items: ({
    name: string
    kind: string
    host: string
    username?: string | null
    set_at: string
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_DatabaseSummary = {
  items: ({
    component: string
    /** postgres, mariadb, redis */
    engine: string
    /** As asked: `17`, `10.11` */
    version: string
    /** Whether an instance answers. */
    ready: boolean
    instance?: string | null
    host: string
    port: number
    user: string
    database: string
    parameters: DatabaseParameter[]
    /** The names that may be set. */
    known_parameters: string[]
    backups?: DecidedBackups | null
    protection: Protection
    last_good?: Backup | null
    last_failed?: Backup | null
    next_backup_at?: string | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_DatabaseUser = {
  items: {
    name: string
    rights: UserRights
    /** The application's own, which its secret is the password of: neither changed nor removed. */
    own: boolean
  }[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_EnvironmentSummary = {
  items: {
    name: string
    /** The one that the team began with; it stays. */
    first: boolean
    applications: number
    /** The cluster that its applications run on; `local` is the engine. */
    cluster: string
    created_at: string
  }[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ImageTag = {
  items: {
    name: string
    digest: string
    media_type: string
    /** What it names, together; of an index its own size only. */
    bytes: number
    updated_at: string
  }[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_InstanceEvent = {
  items: ({
    component: Name
    /** As [`ObservedInstance::name`]; it may be gone. */
    instance: string
    /** The sidecar or init step that it happened to; absent for the instance and its main container. */
    container?: string | null
    is_warning: boolean
    /** In one word, as Kubernetes writes it: `Started`, `Unhealthy`, `OOMKilled`. */
    reason: string
    message: string
    count: number
    first: string
    last: string
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ObjectRow = {
  items: ({
    namespace?: string | null
    name: string
    created?: string | null
    /** Pluvio made it, or it belongs to one of its applications. */
    is_ours: boolean
    /** The application's name, where it belongs to one. */
    application?: string | null
    state: ObjectState
    /** `its image cannot be pulled`; empty when there is nothing to say. */
    note: string
    /** What the cluster shows of this kind, in its order. */
    cells: ObjectCell[]
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ObservedRun = {
  items: ({
    /** Names it in its application. */
    key: string
    component: Name
    kind: RunKind
    /** What was run; for tasks, what the stage named it by. */
    hash: ContentHash
    /** The release it was run for. */
    release: number
    /** Whose output to read in the logs. */
    instance: string
    state: RunState
    /** The time that the schedule named. */
    scheduled_at?: string | null
    started_at?: string | null
    ended_at?: string | null
    exit?: ExitRecord | null
    problem?: Problem | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_Operation = {
  items: ({
    id: OperationId
    application: ApplicationId
    application_name: string
    kind: OperationKind
    actor: string
    asked_at: string
    ended_at?: string | null
    /** The release it made, once decided. */
    release?: number | null
    steps: Step[]
    /** How far each component is that the operation changes, in the order in which they were met. */
    components?: ComponentProgress[]
    hindrance?: Problem | null
    outcome?: Outcome | null
    /** Someone asked to cancel it. */
    cancel_requested?: boolean
    /** In a sentence: `Deploy storefront from main @ 4f1c9ae`. */
    title?: string
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_PasskeySummary = {
  items: ({
    id: string
    name: string
    created_at: string
    used_at?: string | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_ReleaseSummary = {
  items: ({
    number: number
    status: ReleaseStatus
    origin: Origin
    /** What it is, in a sentence: the commit's first line, `Scale to 3`, `Roll back to r4`. */
    title: string
    actor: string
    at: string
    /** From asked to live, in milliseconds. */
    duration_ms?: number | null
    operation?: OperationId | null
    built_from?: BuiltFrom | null
    /** The main image's id, by component. */
    images: [string, string][]
    /** Images are at hand and it can be rolled back to. */
    restorable: boolean
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_RouteDetail = {
  items: ({
    id: string
    application: string
    component: string
    host: string
    path: string
    exact: boolean
    port: string
    url: string
    traffic?: Traffic | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_SecretRow = {
  items: {
    name: string
    version: number
    generated: boolean
    set_at: string
  }[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_TokenSummary = {
  items: ({
    id: string
    name: string
    role: string
    created_at: string
    used_at?: string | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_VolumeSummary = {
  items: ({
    id: VolumeId
    name: string
    /** The application it belongs to, or belonged to when that was deleted. */
    application?: string | null
    state: VolumeState
    /** Where it is mounted now. */
    used_by?: VolumeUse[]
    /** `exclusive` or `shared`, as the last release that named it asked. */
    access?: string | null
    /** Bytes asked for; on a container engine a note, not a limit. */
    size?: number | null
    /** What it really takes, when it was measured last. */
    bytes?: number | null
    measured_at?: string | null
    created_at: string
    /** When its application was deleted: it is kept until named. */
    released_at?: string | null
    /** It was deleted by name: until then it can be had back. */
    ends_at?: string | null
    copy_of?: VolumeId | null
    copying?: OperationId | null
  })[]
  next?: string | null
}

/** One page of a list. `next` is given back as `?after=`; absent on the last page. */
export type Page_WorkloadSummary = {
  items: ({
    environment: string
    /** Where the environment is; `local` is the engine of this machine. */
    cluster: string
    runtime: RuntimeKind
    /** The namespace on a cluster; an engine has none. */
    namespace?: string | null
    application_id: ApplicationId
    application: string
    display_name?: string | null
    component: string
    /** `service`, `stateful`, `job`, `cron`, `daemon`, `database` */
    kind: string
    status: Status
    /** `1 of 2 ready`; empty when there is nothing to say. */
    status_note: string
    /** A person stopped it, by itself or with the application. */
    stopped: boolean
    instances_ready: number
    instances_wanted: number
    /** The number of its instances can be set: it runs on, and does not scale itself. */
    can_scale: boolean
    /** Nodes that its instances are on, with how many; only for whoever may see clusters. */
    nodes?: Record<string, number>
    operation?: OperationId | null
  })[]
  next?: string | null
}

/** `null` removes a parameter. */
export type ParametersRequest = {
  parameters: Record<string, string | null>
}

export type PasskeyName = {
  /** 1 to 60 characters. */
  name: string
}

/** What `navigator.credentials` is asked with, in the JSON of Web Authentication. */
export type PasskeyOptions = {
  /** Passkeys work on this address of the console alone. */
  origin: string
  /** `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`. */
  options: Record<string, unknown>
}

/** A passkey that the browser just made. */
export type PasskeyRegistration = {
  /** What to call it: the device, 1 to 60 characters. */
  name: string
  /** `RegistrationResponseJSON` */
  credential: Record<string, unknown>
}

/** A signature by a passkey. */
export type PasskeySignIn = {
  /** `AuthenticationResponseJSON` */
  credential: Record<string, unknown>
}

export type PasskeySummary = {
  id: string
  name: string
  created_at: string
  used_at?: string | null
}

export type PasswordChange = {
  /** Needed when one is set. */
  current?: string | null
  /** At least 10 characters. */
  password: string
}

export type PasswordSignIn = {
  name: string
  password: string
}

/** What the machines behind an environment have, for choice. Empty for an engine, which is one machine. */
export type PlaceChoices = {
  /** For volumes: names, the default one first. */
  storage_classes: string[]
  /** Labels of nodes with the values that they have, for `placement.nodeLabels`. */
  node_labels: Record<string, string[]>
  /** Taints of nodes with the values that they have, for `placement.reserved`. */
  reserved: Record<string, string[]>
}

/** Choices of a cluster. What is absent is Pluvio's own choice. */
export type PlaceSettings = {
  /**
   * Where Pluvio keeps what it must not forget there; `pluvio-system` when absent. Of several Pluvios on one cluster each has its
   * own.
   */
  namespace?: string | null
  /** Applications answer at `APP.DOMAIN` there; that of the installation when absent. */
  domain?: string | null
  /** The gateway's port as people type it: 80 when absent. */
  gateway_port?: number | null
  gateway?: GatewayChoice
  /** How requests reach Pluvio's own gateway from outside the cluster. */
  exposure?: Exposure
  /** For volumes that name no class; the cluster's default when absent. */
  storage_class?: string | null
  /** Teams whose namespaces take only pods that Kubernetes' standard `restricted` allows; `*` is every team. */
  restricted?: string[]
}

export type PlanReport = {
  detected: Detected
  /** The AppSpec (see `pluvio schema app`). */
  spec: Record<string, unknown>
  /** The same as app.yaml text. */
  yaml?: string
  report: ReportRow[]
  errors: Problem[]
  /** Where it will be reachable. */
  urls?: string[]
  /** The texts that lines of the report are of; a row that names no file is of the first. */
  texts?: TextFile[]
  /** What reaches beyond the containers, and the permission that each needs. */
  permissions?: NeededPermission[]
  /** Values of secrets that the source holds, to be sent back with the deploy. */
  secrets?: Record<string, string>
  /** Variables of the source that have no value and are not required: nothing is put where they are named. */
  unset?: string[]
}

/** Asks for a plan; nothing is kept and nothing runs. */
export type PlanRequest = {
  source: SourceRequest
  /** The application's name; suggested from the source when absent. */
  name?: string | null
  /** Values of variables that the source requires; they win over its `.env`. */
  variables?: Record<string, string>
  /** Of an upload: the folder in it that says what the application is, from its root. All of the upload may be built from. */
  path?: string | null
}

/** Whether NetworkPolicies do anything. Kubernetes does not say; what runs there does. */
export type PolicyEnforcement = {
  by: string
  state: "enforced"
} | {
  network: string
  state: "not-enforced"
} | {
  state: "unknown"
}

export type PortDetail = {
  name: string
  port: number
  protocol: string
}

export type Power = "on" | "off"

export type PreviewNote = {
  /** `no-request-lost`, `held`, `one-by-one`, `no-probe`, `volume-kept`, `images-at-hand` */
  code: string
  about: string
  text: string
}

export type ProbeAnswer = {
  kind: ProbeKind
  ok: boolean
  /** `GET /healthz on 8080: connection refused` */
  message: string
  at: string
  /** Failures or successes in a row. */
  in_a_row: number
}

export type ProbeKind = "startup" | "ready" | "live"

export type ProbeRow = {
  /** `startup`, `ready`, `live` */
  kind: string
  /** `GET /healthz on 8080, every 5s` */
  text: string
}

/** A problem, in the wire form of RFC 9457 (`application/problem+json`). */
export type Problem = {
  /** Stable, dotted, lower case: `build.dockerfile-missing`. */
  code: string
  /** HTTP status the problem answers with. */
  status: number
  /** What failed, in a few words. */
  title: string
  /** Why, with the names and numbers of this case. */
  cause: string
  /** What to do next. */
  remedy: string
  at?: Location | null
  /** Lines that show it: the probe's answer, the end of a log. */
  evidence?: string[]
  /** What Pluvio can do about it by itself, when asked to. */
  fixes?: Fix[]
  /** Where the code's page is. */
  help?: string
}

/** What a promotion would change where it comes. */
export type PromotePreview = ChangePreview & {
  environment: string
  name: string
  /** The release that is brought. */
  from_release: number
  /** What is more than other images, a line each: to be confirmed. */
  beyond_images: string[]
}

/** Brings the release that an application has here to its counterpart in another environment. */
export type PromoteRequest = {
  /** The environment that it is brought to. */
  to: string
  /** The counterpart's name; the same when absent. */
  name?: string | null
  /** Everything but the images stays as it is there. */
  images_only?: boolean
  /** Do it also where more than images changes. */
  confirm?: boolean
}

/** Whether a database is backed up, in one word. */
export type Protection = "never" | "by-hand" | "scheduled" | "waiting" | "failing"

/** That a cluster's pull credential was changed. Pluvio lays the new one down in the cluster. */
export type PullCredentialRotated = {
  rotated_at: string
  /** Until when the one of before is still taken. */
  previous_until: string
}

/** How the gateway reaches instances. */
export type Reach = "bridge" | "published-loopback"

export type ReleaseDetail = ReleaseSummary & {
  /** The revision's AppSpec. */
  spec: Record<string, unknown>
  yaml: string
  urls: string[]
}

export type ReleaseDiff = {
  from: number
  to: number
  components: ComponentDiff[]
}

export type ReleaseStatus = "deploying" | "live" | "retired" | "failed" | "superseded"

export type ReleaseSummary = {
  number: number
  status: ReleaseStatus
  origin: Origin
  /** What it is, in a sentence: the commit's first line, `Scale to 3`, `Roll back to r4`. */
  title: string
  actor: string
  at: string
  /** From asked to live, in milliseconds. */
  duration_ms?: number | null
  operation?: OperationId | null
  built_from?: BuiltFrom | null
  /** The main image's id, by component. */
  images: [string, string][]
  /** Images are at hand and it can be rolled back to. */
  restorable: boolean
}

export type ReportRow = {
  /** `kept`, `adapted`, `refused`, `ignored` */
  outcome: string
  at: string
  line?: number | null
  /** Where it is another file than the first. */
  file?: string | null
  message: string
  remedy?: string | null
}

/** `0.5`, `512Mi`; null removes the limit. */
export type ResourcesPatch = {
  cpu_limit?: string | null
  memory_limit?: string | null
}

export type ResourcesRow = {
  cpu_limit_millis?: number | null
  memory_limit_bytes?: number | null
}

export type RestoreRequest = {
  /** The database it goes into: its own when absent; one that is not there is made. */
  into?: string | null
  /** The name of the database whose data are replaced, to be sure. */
  confirm?: string | null
}

export type RightsRequest = {
  rights: UserRights
}

export type RollbackRequest = {
  /** The release before the live one when absent. */
  to?: number | null
}

export type RouteDetail = {
  id: string
  application: string
  component: string
  host: string
  path: string
  exact: boolean
  port: string
  url: string
  traffic?: Traffic | null
}

export type RunKind = "release" | "job" | "schedule" | "asked"

/** A run that was asked for and begins now. */
export type RunStarted = {
  /** Names it among the application's runs. */
  key: string
}

export type RunState = "waiting" | "running" | "succeeded" | "failed" | "unknown" | "skipped"

export type RuntimeKind = "docker" | "podman" | "kubernetes" | "memory"

export type SampleSummary = {
  name: string
  title: string
  language: string
}

export type ScaleRequest = {
  /** The only component when absent. */
  component?: string | null
  /** So many. Refused for a component that scales itself, unless `fixed`. */
  instances?: number | null
  /** From now on it does not scale itself. */
  fixed?: boolean
  /** From now on it scales itself: the `scale` part of the AppSpec. */
  scale?: Record<string, unknown> | null
}

/** Between how many instances, and what decides. Without a figure to go by there are `min`, which the clock may change. */
export type ScaleSpec = {
  /** At least so many. */
  min: number
  /** At most so many; needed where a figure decides. */
  max?: number | null
  /** Per cent of the CPU that an instance asks for, on average over all. */
  cpu?: number | null
  /** Per cent of the memory that an instance asks for, on average over all. */
  memory?: number | null
  /** Figures that a cluster's metrics APIs tell. */
  custom?: CustomMetric[]
  /** Other bounds from a time on, until the next such time. */
  schedule?: ScaleTime[]
}

/** From this time on, until the next: other bounds. What it does not name is as above. */
export type ScaleTime = {
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  cron: string
  /** IANA time zone; UTC when absent. */
  timeZone?: string | null
  min?: number | null
  max?: number | null
}

export type SecretRow = {
  name: string
  version: number
  generated: boolean
  set_at: string
}

export type SecretValueRequest = {
  value: string
  /** Roll the application so that it takes the value at once; true when absent. */
  deploy?: boolean
}

export type Session = {
  user: UserSummary
  team: string
  environment: string
  /** What this person may do here: `application:deploy` … */
  permissions: string[]
  /** Sent back as `X-Pluvio-Csrf` with every change made by cookie. */
  csrf: string
  /** True until a password is set: the next sign-in needs a passkey or another link. */
  password_unset: boolean
  /** How many passkeys this person has. */
  passkeys: number
  version: string
  /** The gateway's address for people: `http://*.localhost:8080`. */
  gateway: string
}

export type SigninLink = {
  url: string
  expires_at: string
}

export type SlowStatement = {
  milliseconds: number
  user: string
  /** Its beginning. Empty for those who may not read what is in the database. */
  text: string
}

export type SourceNote = {
  commit?: string | null
  message?: string | null
  author?: string | null
  branch?: string | null
}

/** Where the application comes from. Exactly one. */
export type SourceRequest = {
  /** An archive sent to `/uploads` before, by its SHA-256. */
  upload: string
} | {
  git: GitRequest
} | {
  /** An image reference. */
  image: string
} | {
  /** A text of any kind that is understood: an app.yaml, a compose file, a template, a `docker run` line. */
  text: string
} | {
  /** Text files that belong together: compose files in the order in which they are laid over each other, their `.env`. */
  files: TextFile[]
} | {
  /** A sample that Pluvio carries: `node`, `python`, `go`, `static`, `dockerfile`. */
  sample: string
}

/** A span of time in milliseconds: `500ms`, `5s`, `1m30s`, `2h`, `7d`; a plain number is seconds. */
export type Span = string

/** The specification of the target, as it is edited. */
export type SpecDocument = {
  revision: number
  spec: Record<string, unknown>
  yaml: string
}

/** Puts a whole specification in the place of the target's. */
export type SpecEdit = {
  spec: Record<string, unknown>
  /** Values of secrets to set with it. */
  secrets?: Record<string, string>
}

/** The same value in both forms, and what is wrong with it. */
export type SpecReading = {
  /** Absent when it has not the shape of a specification. */
  spec?: Record<string, unknown> | null
  /** Tidy app.yaml text; the text as it came where it could not be read. */
  yaml: string
  /** With the line of a text, or the path of keys. */
  problems: Problem[]
  report: ReportRow[]
}

/** Exactly one of the two. */
export type SpecToRead = {
  /** The text of an app.yaml. */
  yaml?: string | null
  /** A specification as JSON. */
  spec?: Record<string, unknown> | null
}

/** The one word for how something is, as the console's table of status words has it. */
export type Status = "running" | "deploying" | "building" | "degraded" | "failed" | "waiting" | "scheduled" | "succeeded" | "stopped" | "unknown"

export type Step = {
  name: StepName
  state: StepState
  /** `2 of 3 instances ready` */
  note?: string
  started_at?: string | null
  ended_at?: string | null
  /** How long it usually takes, in milliseconds, from earlier operations. */
  usual_ms?: number | null
}

export type StepName = "fetch" | "base" | "build" | "keep" | "pull" | "copy" | "decide" | "task" | "apply" | "start" | "shift" | "drain" | "stop" | "remove" | "dump" | "verify" | "restore" | "prune"

export type StepState = "waiting" | "running" | "done" | "skipped" | "failed"

export type StorageClassFound = {
  name: string
  provisioner: string
  is_default: boolean
  /** Volumes can grow. */
  can_expand: boolean
  /** A volume is kept when its claim is deleted. */
  keeps: boolean
  /** Several nodes can write to one volume. By the provisioner's name; absent where that tells nothing. */
  shared?: boolean | null
  /** A volume is made only where its first pod is placed. */
  waits_for_pod: boolean
}

/** A text file of a source. */
export type TextFile = {
  /** Relative to the source's folder: `compose.yaml`, `.env`, `db/init.sql`. */
  path: string
  text: string
}

export type TokenCreated = TokenSummary & {
  /** Shown once. */
  value: string
}

export type TokenRequest = {
  name: string
  /** `owner` or `reader`. */
  role?: string | null
}

export type TokenSummary = {
  id: string
  name: string
  role: string
  created_at: string
  used_at?: string | null
}

export type Topology = {
  /** Over how many seconds rates and percentiles are. */
  window_seconds: number
  /** How old what is seen is, in milliseconds; `None` when the node does not answer: then traffic is not known. */
  seen_ms_ago?: number | null
  nodes: TopologyNode[]
  edges: TopologyEdge[]
}

export type TopologyEdge = {
  from: string
  to: string
  /** `uses`, or a route; otherwise it was only observed. */
  declared: boolean
  /** Prefix of the injected exports (`as`). */
  prefix?: string | null
  /** What passed, by port; empty when nothing did since the gateway started. */
  traffic: EdgeTraffic[]
}

export type TopologyNode = {
  /**
   * A component's name; an application's, in the graph of an environment or as `@app.NAME` beside components, and
   * `ENVIRONMENT/NAME` in the graph of a team; `@gateway`; `@elsewhere`.
   */
  id: string
  name: string
  /** Of an application in the graph of a team. */
  environment?: string | null
  /** A component's kind, or `gateway`, `application`, `elsewhere`. */
  kind: string
  status: Status
  /** `1 of 2 ready`; empty when there is nothing to say. */
  status_note: string
  instances_ready: number
  instances_wanted: number
  /** Thousandths of a core, all instances. */
  cpu_millis?: number | null
  memory_bytes?: number | null
  /** What runs: an image, `postgres@17`, an address outside. */
  what: string
  ports: PortDetail[]
  /** Hosts that lead to it. */
  hosts: string[]
  /** When its schedule fires next. */
  next_run_at?: string | null
}

/** Over the last minute. */
export type Traffic = {
  requests_per_second: number
  p95_ms: number
  /** Share of answers with status 5xx, 0 to 1. */
  errors: number
}

export type Unseen = {
  /** `nodes`, `pods`, `events`, `metrics` */
  what: string
  why: string
  /** Since when it has not been seen; what is shown of it is from before. */
  since?: string | null
}

export type UploadReceipt = {
  /** SHA-256 of the archive, which names it. */
  upload: string
  bytes: number
}

export type UsagePoint = {
  at: string
  cpu_millis: number
  memory_bytes: number
}

export type UsageReport = {
  /** By instance, oldest first. */
  instances: Record<string, UsagePoint[]>
}

/** A user that was made. Its password is told this once and kept nowhere. */
export type UserMade = {
  name: string
  rights: UserRights
  password: string
  /** The address with the password, inside the application. */
  url: string
}

export type UserRequest = {
  name: string
  rights: UserRights
}

/** What a user of a database may do. */
export type UserRights = "read-only" | "read-write" | "owner" | "other"

export type UserSummary = {
  name: string
  display_name?: string | null
}

export type VersionInfo = {
  version: string
  api: string
}

export type VolumeId = string

/** A data volume that Pluvio made, and leaves. */
export type VolumeLeft = {
  namespace: string
  name: string
  /** `10Gi` */
  size: string
}

export type VolumeState = "bound" | "kept" | "leaving" | "copying"

export type VolumeSummary = {
  id: VolumeId
  name: string
  /** The application it belongs to, or belonged to when that was deleted. */
  application?: string | null
  state: VolumeState
  /** Where it is mounted now. */
  used_by?: VolumeUse[]
  /** `exclusive` or `shared`, as the last release that named it asked. */
  access?: string | null
  /** Bytes asked for; on a container engine a note, not a limit. */
  size?: number | null
  /** What it really takes, when it was measured last. */
  bytes?: number | null
  measured_at?: string | null
  created_at: string
  /** When its application was deleted: it is kept until named. */
  released_at?: string | null
  /** It was deleted by name: until then it can be had back. */
  ends_at?: string | null
  copy_of?: VolumeId | null
  copying?: OperationId | null
}

export type VolumeUse = {
  application: string
  component: string
  path: string
  read_only: boolean
}

/** A workload of one of Pluvio's applications. */
export type WorkloadOverview = {
  namespace: string
  /** `Deployment`, `StatefulSet`, `DaemonSet`, `CronJob`, `Job` */
  kind: string
  name: string
  application: ApplicationId
  /** As people call it. */
  application_name: string
  component?: string | null
  wanted: number
  ready: number
  /** Nodes that its pods are on, with how many. */
  nodes: Record<string, number>
}

/** A component of an application that was deployed, where it runs and how it is. */
export type WorkloadSummary = {
  environment: string
  /** Where the environment is; `local` is the engine of this machine. */
  cluster: string
  runtime: RuntimeKind
  /** The namespace on a cluster; an engine has none. */
  namespace?: string | null
  application_id: ApplicationId
  application: string
  display_name?: string | null
  component: string
  /** `service`, `stateful`, `job`, `cron`, `daemon`, `database` */
  kind: string
  status: Status
  /** `1 of 2 ready`; empty when there is nothing to say. */
  status_note: string
  /** A person stopped it, by itself or with the application. */
  stopped: boolean
  instances_ready: number
  instances_wanted: number
  /** The number of its instances can be set: it runs on, and does not scale itself. */
  can_scale: boolean
  /** Nodes that its instances are on, with how many; only for whoever may see clusters. */
  nodes?: Record<string, number>
  operation?: OperationId | null
}

/** Each operation: its query, what is sent and what comes back. */
export type Operations = {
  /** Who is signed in. */
  'GET /api/v1/session': {
    query: undefined
    body: undefined
    answer: Session
  }
  /** Signs in by name and password. */
  'POST /api/v1/session': {
    query: undefined
    body: PasswordSignIn
    answer: Session
  }
  /** Signs out. */
  'DELETE /api/v1/session': {
    query: undefined
    body: undefined
    answer: string
  }
  /** Signs in by a one-time link. */
  'POST /api/v1/session/link': {
    query: undefined
    body: LinkSignIn
    answer: Session
  }
  /** Sets the password of whoever is signed in; their other sessions end. */
  'PUT /api/v1/session/password': {
    query: undefined
    body: PasswordChange
    answer: string
  }
  /** Makes a one-time sign-in link for whoever asks. */
  'POST /api/v1/signin-links': {
    query: undefined
    body: undefined
    answer: SigninLink
  }
  /** The caller's API tokens. */
  'GET /api/v1/tokens': {
    query: undefined
    body: undefined
    answer: Page_TokenSummary
  }
  /** Makes an API token; its text is shown once. */
  'POST /api/v1/tokens': {
    query: undefined
    body: TokenRequest
    answer: TokenCreated
  }
  /** Revokes a token at once. */
  'DELETE /api/v1/tokens/{token}': {
    query: undefined
    body: undefined
    answer: string
  }
  /** The caller's passkeys. */
  'GET /api/v1/passkeys': {
    query: undefined
    body: undefined
    answer: Page_PasskeySummary
  }
  /** Adds the passkey that the browser made. */
  'POST /api/v1/passkeys': {
    query: undefined
    body: PasskeyRegistration
    answer: PasskeySummary
  }
  /** Begins to add a passkey: what to ask the browser with. */
  'POST /api/v1/passkeys/options': {
    query: undefined
    body: undefined
    answer: PasskeyOptions
  }
  /** Names a passkey anew. */
  'PATCH /api/v1/passkeys/{passkey}': {
    query: undefined
    body: PasskeyName
    answer: PasskeySummary
  }
  /** Removes a passkey at once; the person's other sessions end. */
  'DELETE /api/v1/passkeys/{passkey}': {
    query: undefined
    body: undefined
    answer: string
  }
  /** Begins a sign-in by passkey. The same for everybody: who it is, the device says. */
  'POST /api/v1/session/passkey/options': {
    query: undefined
    body: undefined
    answer: PasskeyOptions
  }
  /** Signs in by a passkey. */
  'POST /api/v1/session/passkey': {
    query: undefined
    body: PasskeySignIn
    answer: Session
  }
  /** The server's version. */
  'GET /api/v1/version': {
    query: undefined
    body: undefined
    answer: VersionInfo
  }
  /** The engine that applications run on. */
  'GET /api/v1/cluster': {
    query: undefined
    body: undefined
    answer: ClusterDetail
  }
  /** Takes the engine that answers now for the one of before. */
  'POST /api/v1/cluster/rebind': {
    query: undefined
    body: undefined
    answer: ClusterDetail
  }
  /** Checks of the machine, each with verdict and remedy. */
  'GET /api/v1/doctor': {
    query: undefined
    body: undefined
    answer: DoctorReport
  }
  /** The engine of this machine, and the clusters that were added. */
  'GET /api/v1/clusters': {
    query: undefined
    body: undefined
    answer: Page_ClusterSummary
  }
  /**
   * Adds a Kubernetes cluster: it is looked at, an account of Pluvio's own is made there, and only that account's credential is
   * kept. The same name again changes credential and settings.
   */
  'POST /api/v1/clusters': {
    query: undefined
    body: ClusterRequest
    answer: ClusterAdded
  }
  /** Looks at a cluster step by step, before it is added: nothing is made there, nothing is kept. */
  'POST /api/v1/clusters/check': {
    query: undefined
    body: ClusterRequest
    answer: CheckReport
  }
  /** One cluster. */
  'GET /api/v1/clusters/{cluster}': {
    query: undefined
    body: undefined
    answer: ClusterSummary
  }
  /** Takes a cluster out that no environment is on: all that Pluvio made there but data volumes, which are answered. */
  'DELETE /api/v1/clusters/{cluster}': {
    query: {
      confirm: string
      abandon?: boolean
    }
    body: undefined
    answer: ClusterRemoved
  }
  /** What a cluster looks like now: its nodes, its events, what of ours runs there. */
  'GET /api/v1/clusters/{cluster}/overview': {
    query: undefined
    body: undefined
    answer: ClusterOverview
  }
  /** Makes a new credential of Pluvio's account on a cluster, and ends the one before. */
  'POST /api/v1/clusters/{cluster}/rotate': {
    query: undefined
    body: undefined
    answer: ClusterSummary
  }
  /**
   * A list of what is in a cluster, of one kind, as the cluster tells of it when it is asked: by namespace and name, events the
   * newest first. A page may be short and still go on, where something is looked for.
   */
  'GET /api/v1/clusters/{cluster}/objects/{kind}': {
    query: {
      namespace?: string
      find?: string
      /** Whose objects. */
      whose?: "ours" | "foreign"
      limit?: number
      after?: string
    }
    body: undefined
    answer: Page_ObjectRow
  }
  /** One object of a cluster whole, as YAML, with what the cluster told of it. Values of Secrets and ConfigMaps are not in it. */
  'GET /api/v1/clusters/{cluster}/objects/{kind}/{name}': {
    query: {
      namespace?: string
    }
    body: undefined
    answer: ObjectDetail
  }
  /** Names and hosts; never the secrets. */
  'GET /api/v1/teams/{team}/credentials': {
    query: undefined
    body: undefined
    answer: Page_CredentialSummary
  }
  /** Stores a credential, in place of the one of that name. */
  'PUT /api/v1/teams/{team}/credentials/{credential}': {
    query: undefined
    body: CredentialRequest
    answer: CredentialSummary
  }
  /** Forgets a credential. */
  'DELETE /api/v1/teams/{team}/credentials/{credential}': {
    query: undefined
    body: undefined
    answer: string
  }
  /** The team's repositories, and what they take of its quota. */
  'GET /api/v1/teams/{team}/images': {
    query: undefined
    body: undefined
    answer: ImageList
  }
  /** Deletes a tag, or a manifest by its digest. Space is free after the next collection. */
  'DELETE /api/v1/teams/{team}/images': {
    query: {
      repository: string
      reference: string
    }
    body: undefined
    answer: string
  }
  /** The tags of one of the team's repositories. */
  'GET /api/v1/teams/{team}/images/tags': {
    query: {
      repository: string
    }
    body: undefined
    answer: Page_ImageTag
  }
  /** Gives a team a quota of its own, or the configuration's again. For owners of the installation. */
  'PUT /api/v1/teams/{team}/images/quota': {
    query: undefined
    body: ImageQuota
    answer: ImageList
  }
  /** Removes what nobody needs, by the rules of the configuration, now rather than within the hour. What releases refer to stays. */
  'POST /api/v1/images/collect': {
    query: undefined
    body: undefined
    answer: ImagesCollected
  }
  /** Makes another credential by which a cluster pulls the team's images; the one of before goes on for a day. */
  'POST /api/v1/teams/{team}/clusters/{cluster}/pull-credential': {
    query: undefined
    body: undefined
    answer: PullCredentialRotated
  }
  /** What was done in a team, the newest first. */
  'GET /api/v1/teams/{team}/audit': {
    query: {
      limit?: number
      after?: string
      actor?: string
      action?: string
      object?: string
      result?: string
      since?: string
      until?: string
    }
    body: undefined
    answer: Page_AuditRow
  }
  /** What was done in the whole installation, the newest first: every team's, sign-ins, users, tokens, the cluster. */
  'GET /api/v1/audit': {
    query: {
      limit?: number
      after?: string
      actor?: string
      action?: string
      object?: string
      result?: string
      since?: string
      until?: string
    }
    body: undefined
    answer: Page_AuditRow
  }
  /** Walks the chain of all records: `audit.broken` names the first that is not as it was written. */
  'POST /api/v1/audit/verify': {
    query: undefined
    body: undefined
    answer: AuditReport
  }
  /** The team's environments, in the order in which they were made. */
  'GET /api/v1/teams/{team}/environments': {
    query: undefined
    body: undefined
    answer: Page_EnvironmentSummary
  }
  /** Makes an environment, on the engine or on a cluster. */
  'POST /api/v1/teams/{team}/environments': {
    query: undefined
    body: EnvironmentRequest
    answer: EnvironmentSummary
  }
  /** Deletes an environment that no application is in; answers what stays of it on its cluster. */
  'DELETE /api/v1/teams/{team}/environments/{environment}': {
    query: {
      confirm: string
    }
    body: undefined
    answer: EnvironmentDeleted
  }
  /** What its cluster has for choice: storage classes, labels of nodes, machines that are kept for some use. */
  'GET /api/v1/teams/{team}/environments/{environment}/choices': {
    query: undefined
    body: undefined
    answer: PlaceChoices
  }
  /** The graph of a team: the applications of its environments, the gateway, and which of them asks which, also across environments. */
  'GET /api/v1/teams/{team}/topology': {
    query: {
      window?: number
    }
    body: undefined
    answer: Topology
  }
  /** What runs of a team, on the engine of this machine and on all clusters: one row a component, by application. */
  'GET /api/v1/teams/{team}/workloads': {
    query: {
      environment?: string
      limit?: number
      after?: string
    }
    body: undefined
    answer: Page_WorkloadSummary
  }
  /** What a first look needs: what runs, what is at work, what needs somebody. */
  'GET /api/v1/teams/{team}/environments/{environment}/overview': {
    query: undefined
    body: undefined
    answer: Overview
  }
  /** Applications by name. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications': {
    query: {
      limit?: number
      after?: string
    }
    body: undefined
    answer: Page_ApplicationSummary
  }
  /** One application, with everything its page shows. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}': {
    query: undefined
    body: undefined
    answer: ApplicationDetail
  }
  /** Deletes the application. Data volumes are kept and listed. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}': {
    query: {
      confirm: string
    }
    body: undefined
    answer: Operation
  }
  /** The target's specification, as JSON and as app.yaml. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/spec': {
    query: undefined
    body: undefined
    answer: SpecDocument
  }
  /**
   * Replaces the specification (`pluvio apply`). One that would undo what was changed elsewhere since the last such request is
   * refused (409, `conflict`, the changes as its evidence) unless `take_over` is set.
   */
  'PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/spec': {
    query: undefined
    body: DeployRequest
    answer: Operation
  }
  /** Puts a whole specification in the place of the target's, as one change: components are added, changed and removed, images that nothing changed about stay. Send `If-Match`, so that nobody else's change is lost. */
  'PATCH /api/v1/teams/{team}/environments/{environment}/applications/{application}/spec': {
    query: undefined
    body: SpecEdit
    answer: Operation
  }
  /** Routes of the environment at the gateway, with their traffic over the last minute. */
  'GET /api/v1/teams/{team}/environments/{environment}/gateway/routes': {
    query: {
      limit?: number
      after?: string
    }
    body: undefined
    answer: Page_RouteDetail
  }
  /** CPU and memory of the application's instances. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/usage': {
    query: {
      history?: boolean
    }
    body: undefined
    answer: UsageReport
  }
  /** Deploys; makes the application if it is not there. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/deploy': {
    query: undefined
    body: DeployRequest
    answer: Operation
  }
  /** Changes a component: a new revision and release. */
  'PATCH /api/v1/teams/{team}/environments/{environment}/applications/{application}/components/{component}': {
    query: undefined
    body: ComponentPatch
    answer: Operation
  }
  /** What a change of a component would do. Nothing is kept. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/components/{component}/preview': {
    query: undefined
    body: ComponentPatch
    answer: ChangePreview
  }
  /** Reads an app.yaml, or writes one: the same specification as JSON and as text, with all that is wrong with it. Nothing is kept. */
  'POST /api/v1/teams/{team}/environments/{environment}/spec/read': {
    query: undefined
    body: SpecToRead
    answer: SpecReading
  }
  /** What such a change would do. Nothing is kept, nothing is pulled. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/spec/preview': {
    query: undefined
    body: SpecEdit
    answer: ChangePreview
  }
  /** The graph of one application: its components, the gateway, and what passes between them. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/topology': {
    query: {
      window?: number
    }
    body: undefined
    answer: Topology
  }
  /** The graph of an environment: its applications, the gateway, and which of them asks which. */
  'GET /api/v1/teams/{team}/environments/{environment}/topology': {
    query: {
      window?: number
    }
    body: undefined
    answer: Topology
  }
  /** Changes the number of instances. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/scale': {
    query: undefined
    body: ScaleRequest
    answer: Operation
  }
  /** New instances of the same release; of the chosen components alone, if some are named. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/restart': {
    query: {
      components?: string
    }
    body: undefined
    answer: Operation
  }
  /** Stops the application, or chosen components; data and history stay. What others use stops after them. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/stop': {
    query: {
      components?: string
    }
    body: undefined
    answer: Operation
  }
  /** Starts a stopped application, or chosen components. What others use starts before them. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/start': {
    query: {
      components?: string
    }
    body: undefined
    answer: Operation
  }
  /** Goes back to an earlier release: its code and settings, today's instance counts. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/rollback': {
    query: undefined
    body: RollbackRequest
    answer: Operation
  }
  /** What a copy would be: a table of everything in which it differs. Nothing is kept. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/copy/preview': {
    query: undefined
    body: CopyRequest
    answer: CopyPreview
  }
  /** Makes a copy of the application in another environment (or under another name): the same images, nothing is built again. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/copy': {
    query: undefined
    body: CopyRequest
    answer: Operation
  }
  /** What bringing this application's release to its counterpart would change. Nothing is kept. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/promote/preview': {
    query: undefined
    body: PromoteRequest
    answer: PromotePreview
  }
  /**
   * Brings the release that runs here to the application's counterpart in another environment: the same images, with the
   * hosts, instance counts, secrets and data of there. What changes more than images is refused (409, `conflict`, the lines as
   * its evidence) unless `confirm` is set.
   */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/promote': {
    query: undefined
    body: PromoteRequest
    answer: Operation
  }
  /** Names and versions of the application's secrets; never values. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/secrets': {
    query: undefined
    body: undefined
    answer: Page_SecretRow
  }
  /** Gives a secret a value, and rolls the application so that it takes it (unless `deploy` is false). */
  'PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/secrets/{secret}': {
    query: undefined
    body: SecretValueRequest
    answer: SecretRow | Operation
  }
  /** Removes a secret that the specification does not name any more. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/secrets/{secret}': {
    query: undefined
    body: undefined
    answer: string
  }
  /** Data volumes of the environment, those of deleted applications included. */
  'GET /api/v1/teams/{team}/environments/{environment}/volumes': {
    query: {
      limit?: number
      after?: string
      measure?: boolean
    }
    body: undefined
    answer: Page_VolumeSummary
  }
  /** One volume: its state, where it is mounted, what it takes. */
  'GET /api/v1/teams/{team}/environments/{environment}/volumes/{volume}': {
    query: {
      measure?: boolean
    }
    body: undefined
    answer: VolumeSummary
  }
  /** Deletes a volume that nothing mounts. Its data stay for a grace period, in which it can be had back. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/volumes/{volume}': {
    query: {
      confirm: string
      now?: boolean
    }
    body: undefined
    answer: VolumeSummary
  }
  /** Takes a deletion back, while its data are there. */
  'POST /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/restore': {
    query: undefined
    body: undefined
    answer: VolumeSummary
  }
  /**
   * Copies a volume's data into a new volume of the same or another application of the environment. While instances write, it is
   * a copy of each file as it was when it was read, not of one moment.
   */
  'POST /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/clone': {
    query: undefined
    body: CloneVolume
    answer: Operation
  }
  /** Mounts a volume in a component, as a new revision of its application. */
  'POST /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/attach': {
    query: undefined
    body: AttachVolume
    answer: Operation
  }
  /** Takes a volume's mounts out of an application, as a new revision of it. The data stay. */
  'POST /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/detach': {
    query: undefined
    body: DetachVolume
    answer: Operation
  }
  /** What is in a folder of a volume. Links are shown with where they point, and never followed. */
  'GET /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/files': {
    query: {
      path?: string
    }
    body: undefined
    answer: Folder
  }
  /** Removes a file, a link, or a folder. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/files': {
    query: {
      path: string
      recursive?: boolean
    }
    body: undefined
    answer: FileEntry
  }
  /** A file's content, or a folder as a tar archive. */
  'GET /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/content': {
    query: {
      path?: string
      most?: number
    }
    body: undefined
    answer: string
  }
  /** Takes a file's content: all of it, or nothing. */
  'PUT /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/content': {
    query: {
      path: string
      replace?: boolean
    }
    body: undefined
    answer: FileEntry
  }
  /** Makes an empty folder. */
  'POST /api/v1/teams/{team}/environments/{environment}/volumes/{volume}/folders': {
    query: {
      path?: string
    }
    body: undefined
    answer: FileEntry
  }
  /** The newest first. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/releases': {
    query: {
      limit?: number
      after?: string
    }
    body: undefined
    answer: Page_ReleaseSummary
  }
  /** What differs between two releases. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/releases/diff': {
    query: {
      from: number
      to: number
    }
    body: undefined
    answer: ReleaseDiff
  }
  /** One release with its specification. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/releases/{release}': {
    query: undefined
    body: undefined
    answer: ReleaseDetail
  }
  /** What going back to this release would do. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/releases/{release}/preview': {
    query: undefined
    body: undefined
    answer: ChangePreview
  }
  /**
   * What happened to instances, the newest first: started, ready, failing probes, ends, what could not be done. The same thing
   * again is counted. The last two hundred are told; an engine keeps those of instances that are gone too, a cluster keeps an hour.
   */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/events': {
    query: {
      component?: string
      instance?: string
      warnings?: boolean
    }
    body: undefined
    answer: Page_InstanceEvent
  }
  /** Runs of release tasks, jobs and schedules, the newest first: of each component the last twenty that are over, and those at work. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/runs': {
    query: {
      component?: string
    }
    body: undefined
    answer: Page_ObservedRun
  }
  /** Runs the program of a component with a schedule now, beside it. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/components/{component}/runs': {
    query: undefined
    body: undefined
    answer: RunStarted
  }
  /** The databases of an application. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases': {
    query: undefined
    body: undefined
    answer: Page_DatabaseSummary
  }
  /** Adds a database to an application: deploys it with one component more. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases': {
    query: undefined
    body: DatabaseRequest
    answer: Operation
  }
  /** One database. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}': {
    query: undefined
    body: undefined
    answer: DatabaseSummary
  }
  /** The address with its password, as the application's components get it. That it was read is recorded. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/address': {
    query: undefined
    body: undefined
    answer: DatabaseAddress
  }
  /** How a database is now: asked of it, at most every five seconds. Statements are told to those only who may read what is in it. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/figures': {
    query: undefined
    body: undefined
    answer: DatabaseFigures
  }
  /** Sets or removes parameters of the server: a new release, in which the database is restarted. */
  'PATCH /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/parameters': {
    query: undefined
    body: ParametersRequest
    answer: Operation
  }
  /** Has a database backed up by the clock. */
  'PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/schedule': {
    query: undefined
    body: BackupSchedule
    answer: Operation
  }
  /** Ends the backups of a database by the clock; those that are kept stay. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/schedule': {
    query: undefined
    body: undefined
    answer: Operation
  }
  /** The backups of a database, the newest first: kept, at work and failed. Those of a database that is gone are listed, too. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups': {
    query: undefined
    body: undefined
    answer: Page_Backup
  }
  /** Makes a backup that is kept until it is deleted. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups': {
    query: undefined
    body: undefined
    answer: Operation
  }
  /** Keeps a dump that is sent, plain or compressed with gzip, after it was read and found whole. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/upload': {
    query: undefined
    body: undefined
    answer: Backup
  }
  /** A backup as it is kept: compressed with gzip. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/{backup}/file': {
    query: undefined
    body: undefined
    answer: string
  }
  /** Deletes a backup for good. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/{backup}': {
    query: undefined
    body: undefined
    answer: string
  }
  /** Puts a backup into its database, another of the same engine, or a new one. What is there is replaced only when its name is repeated. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/{backup}/restore': {
    query: undefined
    body: RestoreRequest
    answer: Operation
  }
  /** The users of a database. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users': {
    query: undefined
    body: undefined
    answer: Page_DatabaseUser
  }
  /** Makes a user with a password of its own, which is told this once. */
  'POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users': {
    query: undefined
    body: UserRequest
    answer: UserMade
  }
  /** Gives a user other rights. */
  'PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users/{user}': {
    query: undefined
    body: RightsRequest
    answer: string
  }
  /** Removes a user and ends its connections; what it made stays, as the application's own user's. */
  'DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users/{user}': {
    query: {
      confirm: string
    }
    body: undefined
    answer: string
  }
  /** Says what a source is and what would run. Nothing is kept but the upload, and nothing runs. */
  'POST /api/v1/teams/{team}/environments/{environment}/plan': {
    query: undefined
    body: PlanRequest
    answer: PlanReport
  }
  /** Logs, live and kept: one JSON document a line, or server-sent events where they are accepted. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/logs': {
    query: {
      component?: string
      instance?: string
      container?: string
      since?: string
      until?: string
      contains?: string
      tail?: number
      follow?: boolean
    }
    body: undefined
    answer: string
  }
  /** A command in an instance, over a WebSocket: binary frames are bytes; text frames `{"resize":[cols,rows]}` and `{"end":true}` from the client, `{"exit":code}` from the server. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/instances/{instance}/exec': {
    query: {
      command?: string
      container?: string
      tty?: boolean
      cols?: number
      rows?: number
    }
    body: undefined
    answer: never
  }
  /** A TCP connection to a port of an instance, over a WebSocket of binary frames. */
  'GET /api/v1/teams/{team}/environments/{environment}/applications/{application}/instances/{instance}/connect': {
    query: {
      port: number
    }
    body: undefined
    answer: never
  }
  /** Everything that happens in an environment, for one tab: `operation` and `application` events (`Last-Event-ID`: the last one seen). */
  'GET /api/v1/teams/{team}/environments/{environment}/events': {
    query: undefined
    body: undefined
    answer: string
  }
  /** What was asked, the newest first. */
  'GET /api/v1/teams/{team}/environments/{environment}/operations': {
    query: {
      limit?: number
      after?: string
      application?: string
      running?: boolean
    }
    body: undefined
    answer: Page_Operation
  }
  /** Keeps an archive (zip, tar, or tar compressed with gzip) that an application shall be built from. */
  'POST /api/v1/uploads': {
    query: undefined
    body: undefined
    answer: UploadReceipt
  }
  /** Fetches a file from an address, for a plan. Private addresses are refused unless the configuration allows them. */
  'POST /api/v1/fetch': {
    query: undefined
    body: FetchRequest
    answer: Fetched
  }
  /** One operation. */
  'GET /api/v1/operations/{operation}': {
    query: undefined
    body: undefined
    answer: Operation
  }
  /** Asks for the operation's end. What served before serves on. */
  'POST /api/v1/operations/{operation}/cancel': {
    query: undefined
    body: undefined
    answer: Operation
  }
  /** The operation as it goes, and its log (`Last-Event-ID`: the last log line seen). Ends with `end`. */
  'GET /api/v1/operations/{operation}/events': {
    query: undefined
    body: undefined
    answer: string
  }
  /** The operation's log so far, one JSON document a line. */
  'GET /api/v1/operations/{operation}/log': {
    query: {
      after?: number
    }
    body: undefined
    answer: string
  }
}
