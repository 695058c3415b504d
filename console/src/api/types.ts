/**
 * What the API speaks of: the generated types under the names that the pages use, and what the document leaves open because
 * it has a schema of its own (the specification of an application, `pluvio schema app`).
 */
import type * as schema from './schema'

export type {
  Amounts,
  ApplicationDetail,
  ApplicationSummary,
  AuditReport,
  AuditRow,
  Backup,
  BackupSchedule,
  BuiltFrom,
  Change as ChangeWord,
  ChangePreview,
  CheckReport,
  CheckState,
  CheckStep,
  ClusterAdded,
  ClusterEvent,
  ClusterOverview,
  ClusterRemoved,
  ClusterRequest,
  ClusterState,
  ClusterSummary,
  ComponentDetail,
  ComponentDiff,
  ContainerSeen,
  CopyData,
  CopyPreview,
  CredentialSummary,
  DatabaseFigures,
  DatabaseSummary,
  DatabaseUser,
  DoctorReport,
  EdgeTraffic,
  EnvironmentDeleted,
  EnvironmentSummary,
  EnvRow,
  ExitRecord,
  Exposure,
  Fetched,
  FileEntry,
  FileRow,
  Folder,
  GatewayChoice,
  GitRequest,
  ImageList,
  ImageRepository,
  ImagesCollected,
  ImageTag,
  InstanceDetail,
  InstanceEvent,
  LogEntry,
  NamespaceLeft,
  NodeOverview,
  ObjectDetail,
  ObjectRow,
  ObservedRun,
  ObservedSidecar,
  Operation,
  OperationKind,
  OperationLogEntry,
  Origin,
  Outcome,
  Overview,
  PasskeyOptions,
  PasskeySummary,
  PlaceChoices,
  PlaceSettings,
  Problem as ProblemBody,
  PromotePreview,
  ReleaseDiff,
  ReleaseStatus,
  ReleaseSummary,
  ReportRow,
  RouteDetail,
  RunStarted,
  RunState,
  SampleSummary,
  SecretRow,
  Session,
  SourceRequest,
  Step,
  StepName,
  TextFile,
  Topology,
  TopologyEdge,
  TopologyNode,
  Traffic,
  UsageReport,
  UserMade,
  UserRights,
  VolumeLeft,
  VolumeState,
  VolumeSummary,
  WorkloadOverview,
  WorkloadSummary,
} from './schema'

export interface Page<T> {
  items: T[]
  next?: string | null
}

export type InstanceStateWord = schema.InstanceState['state']
export type ProbeKind = schema.ProbeKind

/** The parts of an AppSpec that the console reads and writes. */
export interface Spec {
  apiVersion?: string
  name: string
  displayName?: string
  components: Record<string, ComponentSpec>
  secrets?: Record<string, { generate?: boolean; length?: number; message?: string }>
  [other: string]: unknown
}

export interface ComponentSpec {
  kind?: string
  database?: string
  scale?: object
  uses?: (string | { component: string; as?: string })[]
  image?: string
  source?: Record<string, unknown>
  build?: Record<string, unknown>
  instances?: number
  /** When a `cron` runs: five fields, by UTC unless a zone is named. */
  schedule?: string | { cron: string; timeZone?: string }
  ports?: Record<string, { port: number; protocol?: string }>
  resources?: { cpu?: { limit?: string | number }; memory?: { limit?: string } }
  volumes?: Record<string, { name?: string; type?: string; access?: string; size?: string }>
  probes?: ProbesSpec
  routes?: RouteSpec[]
}

export type ProbesSpec = Partial<Record<ProbeKind, ProbeSpec>> & {
  /** What follows when `live` fails; `restart` when absent. */
  unhealthy?: 'restart' | 'offline' | 'report'
}

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

export type SpecReading = Omit<schema.SpecReading, 'spec'> & { spec?: Spec | null }
/** What the server offers to mend by itself. */
export type ProblemFix = schema.Fix

/** What is absent is as in the original. */
export type CopyRequest = Pick<schema.CopyRequest, 'to'> & Partial<schema.CopyRequest>
export type PromoteRequest = Pick<schema.PromoteRequest, 'to'> & Partial<schema.PromoteRequest>

export type PlanReport = Omit<schema.PlanReport, 'spec'> & { spec: Spec }
export type SpecDocument = Omit<schema.SpecDocument, 'spec'> & { spec: Spec }
export type DeployRequest = Omit<schema.DeployRequest, 'spec'> & { spec?: Spec }
export type ComponentPatch = Omit<schema.ComponentPatch, 'probes' | 'routes' | 'files'> & {
  /** Null removes the file; the document cannot say so. */
  files?: Record<string, schema.FilePatch | null>
  probes?: ProbesSpec
  routes?: RouteSpec[]
}
