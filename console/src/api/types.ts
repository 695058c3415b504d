/** What the API speaks of: the shapes of `crates/api` and of the parts of the model that go over the wire as they are. */

export interface Page<T> {
  items: T[]
  next?: string
}

export type Status =
  | 'running'
  | 'deploying'
  | 'building'
  | 'degraded'
  | 'failed'
  | 'waiting'
  | 'stopped'
  | 'unknown'

export interface ProblemBody {
  code: string
  status: number
  title: string
  cause: string
  remedy: string
  at?: { file?: string; line?: number; column?: number; path?: string }
  evidence?: string[]
  help?: string
}

export interface Session {
  user: { name: string; display_name?: string | null }
  team: string
  environment: string
  permissions: string[]
  csrf: string
  password_unset: boolean
  version: string
  gateway: string
}

export type StepName =
  | 'fetch'
  | 'base'
  | 'build'
  | 'keep'
  | 'pull'
  | 'decide'
  | 'task'
  | 'apply'
  | 'start'
  | 'shift'
  | 'drain'
  | 'stop'
  | 'remove'
export type OperationKind =
  | 'deploy'
  | 'apply'
  | 'rollback'
  | 'scale'
  | 'configure'
  | 'restart'
  | 'stop'
  | 'start'
  | 'delete'

export interface Step {
  name: StepName
  state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed'
  note: string
  started_at?: string | null
  ended_at?: string | null
  usual_ms?: number | null
}

export type Outcome =
  | { outcome: 'succeeded' }
  | { outcome: 'failed'; problem: ProblemBody }
  | { outcome: 'cancelled' }
  | { outcome: 'superseded'; by?: string | null }

export interface Operation {
  id: string
  application: string
  application_name: string
  kind: OperationKind
  actor: string
  asked_at: string
  ended_at?: string | null
  release?: number | null
  steps: Step[]
  outcome?: Outcome | null
  cancel_requested: boolean
  title: string
}

export interface OperationLogEntry {
  seq: number
  at: string
  step: StepName
  level: string
  text: string
}

export interface ApplicationSummary {
  id: string
  name: string
  display_name?: string | null
  status: Status
  status_note: string
  urls: string[]
  live_release?: number | null
  target_release?: number | null
  instances_ready: number
  instances_wanted: number
  cpu_millis?: number | null
  memory_bytes?: number | null
  requests_per_second?: number | null
  updated_at: string
  operation?: string | null
}

export type InstanceStateWord =
  | 'creating'
  | 'starting'
  | 'ready'
  | 'not-ready'
  | 'draining'
  | 'stopping'
  | 'back-off'
  | 'exited'
  | 'unknown'

export interface ExitRecord {
  code: number
  oom: boolean
  at: string
  last_lines: string[]
}

export interface InstanceDetail {
  name: string
  release: number
  state: { state: InstanceStateWord; until?: string }
  address?: string | null
  started_at?: string | null
  restarts: number
  last_exit?: ExitRecord | null
  probe?: { kind: string; ok: boolean; message: string; at: string; in_a_row: number } | null
  in_flight: number
  current: boolean
  cpu_millis: number[]
  memory_bytes: number[]
  memory_limit?: number | null
}

export interface Traffic {
  requests_per_second: number
  p95_ms: number
  errors: number
}

export interface RouteDetail {
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

export interface EnvRow {
  name: string
  value: string
  secret: boolean
  origin: string
}

export interface FileRow {
  path: string
  content: string
  hot: boolean
  secret: boolean
}

export interface BuiltFrom {
  builder: string
  commit?: string | null
  message?: string | null
  author?: string | null
  branch?: string | null
  duration_ms: number
}

export interface ComponentDetail {
  name: string
  kind: string
  status: Status
  status_note: string
  image: string
  image_id: string
  instances_wanted: number
  instances: InstanceDetail[]
  ports: { name: string; port: number; protocol: string }[]
  routes: RouteDetail[]
  env: EnvRow[]
  files: FileRow[]
  mounts: {
    path: string
    kind: string
    volume?: string | null
    access?: string | null
    size?: number | null
  }[]
  resources: { cpu_limit_millis?: number | null; memory_limit_bytes?: number | null }
  probes: { kind: string; text: string }[]
  strategy: string
  drain_ms: number
  built_from?: BuiltFrom | null
}

export interface VolumeSummary {
  id: string
  name: string
  application?: string | null
  bytes?: number | null
  released_at?: string | null
}

export interface ApplicationDetail extends ApplicationSummary {
  power: string
  created_at: string
  components: ComponentDetail[]
  volumes: VolumeSummary[]
  operations: Operation[]
  seen_ms_ago?: number | null
  problem?: ProblemBody | null
}

export interface GitRequest {
  url: string
  ref?: string
  path?: string
  credential?: string
}

export type SourceRequest =
  | { upload: string }
  | { git: GitRequest }
  | { image: string }
  | { text: string }
  | { sample: string }

export interface ReportRow {
  outcome: string
  at: string
  line?: number | null
  message: string
  remedy?: string | null
}

/** The parts of an AppSpec that the console reads; `pluvio schema app` has it whole. */
export interface Spec {
  name: string
  components: Record<string, ComponentSpec>
  secrets?: Record<string, { generate?: boolean; message?: string }>
}

export interface ComponentSpec {
  kind?: string
  image?: string
  source?: Record<string, unknown>
  build?: Record<string, unknown>
  instances?: number
  ports?: Record<string, { port: number; protocol?: string }>
  resources?: { cpu?: { limit?: string | number }; memory?: { limit?: string } }
  volumes?: Record<string, { name?: string; type?: string; access?: string; size?: string }>
  probes?: Partial<Record<ProbeKind, ProbeSpec>>
  routes?: RouteSpec[]
}

export type ProbeKind = 'startup' | 'ready' | 'live'

export interface ProbeSpec {
  http?: { path?: string; port?: string | number }
  tcp?: { port?: string | number }
  command?: string | string[]
  period?: string
  timeout?: string
  delay?: string
  failures?: number
  successes?: number
}

export interface RouteSpec {
  host?: string
  path?: string
  exact?: boolean
  port?: string
}

export interface PlanReport {
  detected: { kind: string; why: string[]; alternatives: string[] }
  spec: Spec
  yaml: string
  report: ReportRow[]
  errors: ProblemBody[]
  urls: string[]
}

export interface DeployRequest {
  spec?: Spec
  upload?: string
  pull?: boolean
  secrets?: Record<string, string>
  create_only?: boolean
}

export interface ComponentPatch {
  instances?: number
  env?: Record<string, string | null>
  files?: Record<string, { content: string; hot: boolean } | null>
  resources?: { cpu_limit?: string | null; memory_limit?: string | null }
  probes?: unknown
  routes?: unknown
  image?: string
}

export interface SpecDocument {
  revision: number
  spec: Spec
  yaml: string
}

export interface SecretRow {
  name: string
  version: number
  generated: boolean
  set_at: string
}

export interface LogEntry {
  at: string
  component: string
  instance: string
  stream: string
  text: string
}

export interface UsageReport {
  instances: Record<string, { at: string; cpu_millis: number; memory_bytes: number }[]>
}

export interface SampleSummary {
  name: string
  title: string
  language: string
}

export interface Overview {
  applications: Page<ApplicationSummary>
  applications_total: number
  running: Operation[]
  lately: Operation[]
  needs_you: { application: string; problem: ProblemBody; operation?: string | null; since: string }[]
  samples: SampleSummary[]
}

export type ReleaseStatus = 'deploying' | 'live' | 'retired' | 'failed' | 'superseded'

export type Origin =
  | { kind: 'deploy' }
  | { kind: 'apply' }
  | { kind: 'patch'; what: string }
  | { kind: 'rollback'; to: number }
  | { kind: 'restart' }

export interface ReleaseSummary {
  number: number
  status: ReleaseStatus
  origin: Origin
  title: string
  actor: string
  at: string
  duration_ms?: number | null
  operation?: string | null
  built_from?: BuiltFrom | null
  images: [string, string][]
  restorable: boolean
}

export type ChangeWord = 'added' | 'changed' | 'removed'

export interface ComponentDiff {
  component: string
  change: ChangeWord
  rows: { what: string; change: ChangeWord; before?: string | null; after?: string | null }[]
}

export interface ReleaseDiff {
  from: number
  to: number
  components: ComponentDiff[]
}

export interface ChangePreview {
  number: number
  diff: ComponentDiff[]
  effects: {
    component: string
    effect: string
    instances_before: number
    instances_after: number
    held: boolean
  }[]
  notes: { code: string; about: string; text: string }[]
  usual_ms?: number | null
}

export interface CredentialSummary {
  name: string
  kind: string
  host: string
  username?: string | null
  set_at: string
}

export interface DoctorReport {
  checks: { name: string; verdict: string; message: string; remedy?: string }[]
}
