// A server that speaks the contract of the API with invented data, for tests of the console alone. What is asked of it
// happens, quickly: operations go through their steps, instances come and go.
import { createServer } from 'node:http'
import { breaches, misfits, schemaNamed } from './contract.mjs'
import { clustersOf } from './mock-clusters.mjs'
import { component, id, instance, operation, route, step, stepNames, usual, world } from './mock-data.mjs'
import { databasesOf } from './mock-database.mjs'
import { ofApplication, ofEnvironment, usageOf } from './mock-editing.mjs'
import { environments } from './mock-environments.mjs'
import { imagesOf } from './mock-images.mjs'
import { fetched, planOfTexts } from './mock-plans.mjs'
import { recordsOf } from './mock-records.mjs'
import { wholeGraph } from './mock-topology.mjs'
import { doctor, environment, logOf, passkeys, preview, session, summary, team } from './mock-views.mjs'
import { volumesOf } from './mock-volumes.mjs'
import { appLines, diffRows, planOf, problem, samples, words } from './mock-words.mjs'
import { workloadsOf } from './mock-workloads.mjs'
import { eventStream, serveConsole, webSocket } from './web.mjs'

const here = `/teams/${team}/environments/${environment}`
/**
 * `data: 'empty'` starts with nothing; `fail: true` answers every list with a problem; `pace` is how long a step takes, in
 * milliseconds; `still: true` freezes what runs, for pictures.
 */
export async function startMock({
  data = 'full',
  fail = false,
  pace = 120,
  still = false,
  passwordUnset = false,
  noBackups = false,
  /** A permission that its person does not have. */
  without,
  /** The cluster that `production` is on; the engine when absent. */
  placed,
  /** So many components in the topology of `storefront`. */
  components = 0,
  port = 0,
} = {}) {
  const state = data === 'empty' ? { apps: {}, operations: [] } : world()
  const sessions = new Set()
  const listeners = new Set()
  const logs = new Map()
  /** Where this server and the document of the API differ. */
  const breached = new Set()
  let links = new Set(['first-link'])
  let password = 'correct horse'
  const tell = (event, body) => {
    const schema = { operation: 'Operation', application: 'ApplicationSummary' }[event]
    if (schema) for (const wrong of misfits(schemaNamed(schema), body, event)) breached.add(wrong)
    for (const send of listeners) send(event, body)
  }
  for (const one of state.operations) logs.set(one.id, logOf(one))

  /** Takes an operation through its steps; `act` happens when it has succeeded. */
  function run(app, kind, title, names, act, release) {
    const one = operation({
      application_name: app,
      kind,
      actor: 'mei',
      asked_at: new Date().toISOString(),
      title,
      release: null,
      steps: names.map((name) => ({ ...step(name, 'waiting'), usual_ms: usual[name] ?? 800 })),
    })
    const lines = []
    logs.set(one.id, lines)
    state.operations.unshift(one)
    let at = -1
    const next = () => {
      if (still) return
      const now = new Date().toISOString()
      if (at >= 0) Object.assign(one.steps[at], { state: 'done', ended_at: now })
      at += 1
      if (one.cancel_requested) {
        for (const rest of one.steps.slice(at)) rest.state = 'skipped'
        Object.assign(one, { ended_at: now, outcome: { outcome: 'cancelled' } })
      } else if (at < one.steps.length) {
        const { name } = one.steps[at]
        Object.assign(one.steps[at], { state: 'running', started_at: now })
        if (name === 'decide') one.release = release
        for (const [level, text] of words[name] ?? [])
          lines.push({ seq: lines.length + 1, at: now, step: name, level, text })
        tell('log', { operation: one.id, lines: lines.length })
        setTimeout(next, pace)
      } else {
        Object.assign(one, { ended_at: now, outcome: { outcome: 'succeeded' } })
        act?.(one)
      }
      tell('operation', one)
      const target = state.apps[app]
      if (target) tell('application', summary(target, state.operations))
    }
    setTimeout(next, pace)
    tell('operation', one)
    return one
  }

  function deployed(name, title) {
    const old = state.apps[name]
    const number = (old?.releases[0]?.number ?? 0) + 1
    for (const one of old?.releases ?? []) if (one.status === 'live') one.status = 'retired'
    const fresh = {
      number,
      status: 'live',
      origin: { kind: 'deploy' },
      title,
      actor: 'mei',
      at: new Date().toISOString(),
      duration_ms: pace * 8,
      operation: null,
      built_from: null,
      images: [['web', `sha256:${number}ab`]],
      restorable: true,
    }
    if (old) {
      old.releases.unshift(fresh)
      Object.assign(old, { status: 'running', status_note: '', updated_at: fresh.at })
      return
    }
    state.apps[name] = {
      name,
      id: id(),
      display_name: null,
      status: 'running',
      status_note: '',
      releases: [fresh],
      created_at: fresh.at,
      updated_at: fresh.at,
      power: 'on',
      requests_per_second: 0,
      volumes: [],
      secrets: [],
      components: [
        component(name, {
          instances_wanted: 1,
          instances: [instance(name, 'web', 'zz9a', 1)],
          routes: [
            route(name, 'web', `${name}.localhost`, '/', { requests_per_second: 0, p95_ms: 0, errors: 0 }),
          ],
        }),
      ],
    }
  }

  const page = (items, query) => {
    const limit = Number(query.get('limit') ?? 50)
    const from = Number(query.get('after') ?? 0)
    return {
      items: items.slice(from, from + limit),
      ...(from + limit < items.length ? { next: String(from + limit) } : {}),
    }
  }

  const records = recordsOf(state, { here, pace, still, page })
  const volumes = volumesOf({ here, run })
  const ofImages = imagesOf(data)
  const clusters = clustersOf({ placed, none: data === 'empty' })
  const databases = databasesOf({ noBackups, here, run })
  const workloads = workloadsOf({ state, placed, none: data === 'empty', run })

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://x')
    if (!url.pathname.startsWith('/api/v1')) return serveConsole(url.pathname, response)
    const path = decodeURIComponent(url.pathname.slice('/api/v1'.length))
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const raw = Buffer.concat(chunks)
    const isJson = request.headers['content-type']?.includes('json') && raw.length > 0
    const body = isJson ? JSON.parse(raw.toString()) : {}
    const send = (status, value, headers = {}) => {
      for (const wrong of breaches(
        request.method,
        `/api/v1${path}`,
        isJson ? body : undefined,
        status,
        value,
      ))
        breached.add(`${request.method} ${path.replace(/[0-9a-f]{8}-[0-9a-f-]+/, 'ID')}: ${wrong}`)
      response.writeHead(status, {
        'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
        ...headers,
      })
      response.end(value === undefined ? '' : JSON.stringify(value))
    }
    const refuse = (one) => send(one.status, one)
    const notFound = () =>
      refuse(problem('not-found', 404, 'There is no such thing', `${path} names nothing.`, 'Check the name.'))
    const cookie = /pluvio_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
    const signIn = () => {
      const key = Math.random().toString(36).slice(2)
      sessions.add(key)
      send(200, session(key, passwordUnset, without), {
        'set-cookie': `pluvio_session=${key}; HttpOnly; SameSite=Strict; Path=/`,
      })
    }
    const { method } = request
    const at = `${method} ${path}`

    if (at === 'POST /session/link') {
      if (!links.has(body.token))
        return refuse(
          problem(
            'auth.link',
            401,
            'The sign-in link is not valid',
            'It was used before, or is older than 15 minutes.',
            'Make another with `pluvio signin-link`.',
          ),
        )
      links = new Set()
      return signIn()
    }
    if (at === 'POST /session') {
      if (body.password !== password)
        return refuse(
          problem(
            'auth.invalid',
            401,
            'The sign-in is not valid',
            'Name and password do not belong together.',
            'Try again, or make a link with `pluvio signin-link`.',
          ),
        )
      return signIn()
    }
    if (!sessions.has(cookie))
      return refuse(problem('auth.required', 401, 'Sign in first', 'This needs a session.', 'Sign in.'))
    if (method !== 'GET' && request.headers['x-pluvio-csrf'] !== cookie)
      return refuse(
        problem(
          'permission.denied',
          403,
          'You may not do this',
          'The change did not come from the console.',
          'Reload the page.',
        ),
      )
    if (at === 'GET /session') return send(200, session(cookie, passwordUnset, without))
    if (at === 'DELETE /session') {
      sessions.delete(cookie)
      return send(204)
    }
    if (at === 'PUT /session/password') {
      if (!passwordUnset && body.current !== password)
        return refuse(
          problem(
            'auth.invalid',
            401,
            'The sign-in is not valid',
            'The current password is another.',
            'Try again.',
          ),
        )
      password = body.password
      return send(204)
    }
    if (at === 'GET /passkeys') return send(200, { items: passkeys, next: null })
    if (path === `${here}/events`) {
      const write = eventStream(response)
      write('heartbeat', {})
      const send_ = (event, value) => event !== 'log' && write(event, value)
      listeners.add(send_)
      const beat = setInterval(() => write('heartbeat', {}), 5000)
      request.on('close', () => {
        clearInterval(beat)
        listeners.delete(send_)
      })
      return
    }
    if (fail && method === 'GET')
      return refuse(
        problem(
          'internal',
          500,
          'Something unexpected happened',
          'The store did not answer within 5 s.',
          'See the log of the server; try again in a moment.',
        ),
      )
    const recorded = records(method, path, url.searchParams)
    if (recorded) return send(...recorded)
    const kept = volumes(method, path, url.searchParams, body, raw)
    if (kept?.text !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      return response.end(kept.text)
    }
    if (kept) return send(...kept)
    const everywhere = workloads(method, path, url.searchParams, body)
    if (everywhere) return send(...everywhere)
    const elsewhere = environments(method, path, body, placed, (app, kind) =>
      run(app, kind, `${kind} ${app}`, ['decide', 'apply', 'start']),
    )
    if (elsewhere) return send(...elsewhere)
    const there = clusters(method, path, url.searchParams, body)
    if (there) return send(...there)
    const own = databases(method, path, body)
    if (own) return send(...own)
    if (path === '/doctor') return send(200, doctor)
    if (path === `/teams/${team}/credentials`)
      return send(200, {
        items: [
          {
            name: 'paperlane-git',
            kind: 'git-https',
            host: 'git.paperlane.test',
            username: 'deploy',
            set_at: new Date().toISOString(),
          },
        ],
      })
    if (path.startsWith(`/teams/${team}/credentials/`))
      return send(200, {
        name: path.split('/').at(-1),
        ...body,
        secret: undefined,
        set_at: new Date().toISOString(),
      })
    if (path === '/uploads') return send(201, { upload: 'c0ffee', bytes: raw.length })
    if (path === `/teams/${team}/topology`) return send(200, wholeGraph(Object.values(state.apps)))
    const image = ofImages(method, path, url.searchParams, body)
    if (image) return send(...image)
    if (path === '/fetch') {
      const found = fetched(body.url)
      return found.error ? refuse(found.error) : send(200, found)
    }

    const op = /^\/operations\/([\w-]+)(\/events|\/cancel|\/log)?$/.exec(path)
    if (op) {
      const one = state.operations.find((each) => each.id === op[1])
      if (!one) return notFound()
      if (op[2] === '/cancel') {
        one.cancel_requested = true
        tell('operation', one)
        return send(202, one)
      }
      if (op[2] === '/events') {
        const write = eventStream(response)
        let sent = 0
        const pour = () => {
          const lines = logs.get(one.id) ?? []
          for (; sent < lines.length; sent += 1) write('log', lines[sent], lines[sent].seq)
        }
        const listener = (event, value) => {
          if (event === 'log' && value.operation === one.id) pour()
          if (event === 'operation' && value.id === one.id) {
            write('operation', value)
            if (value.outcome) write('end', {})
          }
        }
        write('operation', one)
        pour()
        if (one.outcome) write('end', {})
        listeners.add(listener)
        request.on('close', () => listeners.delete(listener))
        return
      }
      return send(200, one)
    }
    if (!path.startsWith(here)) return notFound()
    const rest = path.slice(here.length)
    const list = Object.values(state.apps).sort((a, b) => a.name.localeCompare(b.name))
    if (rest === '/overview')
      return send(200, {
        applications: { items: list.map((one) => summary(one, state.operations)) },
        applications_total: list.length,
        running: state.operations.filter((one) => !one.outcome),
        lately: state.operations.filter((one) => one.outcome).slice(0, 6),
        needs_you: list
          .filter((app) => app.status === 'degraded')
          .map((app) => ({
            application: app.name,
            problem: problem(
              'release.exited',
              422,
              'The new release’s program ended',
              'One of 2 instances was killed for memory at 512 MiB, four times.',
              'Raise its limit in Settings.',
            ),
            operation: null,
            since: app.updated_at,
          })),
        samples,
      })
    if (rest === '/applications')
      return send(
        200,
        page(
          list.map((one) => summary(one, state.operations)),
          url.searchParams,
        ),
      )
    if (rest === '/operations') return send(200, page(state.operations, url.searchParams))
    if (rest === '/gateway/routes')
      return send(200, { items: list.flatMap((app) => app.components.flatMap((one) => one.routes)) })
    if (rest === '/plan') {
      const made = planOfTexts(body) ?? planOf(body)
      return made.error ? refuse(made.error) : send(200, made)
    }
    const graph = ofEnvironment(rest, list, body)
    if (graph) return send(...graph)
    const match = /^\/applications\/([\w-]+)(\/.*)?$/.exec(rest)
    const app = match && state.apps[match[1]]
    const what = match?.[2] ?? ''
    if (match && what === '/deploy') {
      if (app && body.create_only)
        return refuse(
          problem(
            'name.taken',
            409,
            'The name is taken',
            `There is an application ${match[1]} already.`,
            'Choose another name.',
          ),
        )
      if (app) Object.assign(app, { status: 'deploying' })
      return send(
        202,
        run(
          match[1],
          'deploy',
          `Deploy ${match[1]}`,
          stepNames,
          () => deployed(match[1], `Deploy ${match[1]}`),
          (app?.releases[0]?.number ?? 0) + 1,
        ),
      )
    }
    if (!app) return notFound()
    const tag = { etag: `"${app.releases[0].number}"` }
    if (at.startsWith('DELETE') && what === '')
      return send(
        202,
        run(
          app.name,
          'delete',
          `Delete ${app.name}`,
          ['drain', 'stop', 'remove'],
          () => delete state.apps[app.name],
        ),
      )
    if (what === '')
      return send(
        200,
        {
          ...summary(app, state.operations),
          power: app.power,
          created_at: app.created_at,
          components: app.components,
          volumes: app.volumes,
          operations: state.operations.filter((one) => one.application_name === app.name).slice(0, 5),
          seen_ms_ago: 800,
          problem: null,
        },
        tag,
      )
    const asked = { what, method, body, tag, ifMatch: request.headers['if-match'] }
    const edit = ofApplication(app, components, asked, () =>
      run(app.name, 'configure', `Change ${app.name}`, ['decide', 'start'], () =>
        deployed(app.name, 'Change'),
      ),
    )
    if (edit) return send(...edit)
    if (what === '/releases') return send(200, page(app.releases, url.searchParams))
    if (what === '/releases/diff')
      return send(200, {
        from: Number(url.searchParams.get('from')),
        to: Number(url.searchParams.get('to')),
        components: [{ component: 'web', change: 'changed', rows: diffRows }],
      })
    if (/^\/releases\/\d+\/preview$/.test(what)) return send(200, preview(app, diffRows))
    if (what === '/rollback')
      return send(
        202,
        run(
          app.name,
          'rollback',
          `Roll ${app.name} back to r${body.to}`,
          ['decide', 'apply', 'start', 'shift', 'drain'],
          () => deployed(app.name, `Roll back to r${body.to}`),
          app.releases[0].number + 1,
        ),
      )
    if (['/restart', '/stop', '/start'].includes(what)) {
      const kind = what.slice(1)
      return send(
        202,
        run(app.name, kind, `${kind} ${app.name}`, ['apply', 'start'], () =>
          Object.assign(
            app,
            kind === 'stop' ? { power: 'off', status: 'stopped' } : { power: 'on', status: 'running' },
          ),
        ),
      )
    }
    if (what === '/secrets') return send(200, { items: app.secrets })
    if (what.startsWith('/secrets/')) {
      const name = what.split('/').at(-1)
      const old = app.secrets.find((one) => one.name === name)
      app.secrets = app.secrets.filter((one) => one.name !== name)
      if (method === 'DELETE') return send(204)
      const row = {
        name,
        version: (old?.version ?? 0) + 1,
        generated: false,
        set_at: new Date().toISOString(),
      }
      app.secrets.push(row)
      return body.deploy === false
        ? send(200, row)
        : send(202, run(app.name, 'configure', `Set ${name}`, ['decide', 'apply', 'start', 'shift', 'drain']))
    }
    if (what === '/usage') return send(200, usageOf(app))
    const edited = /^\/components\/(\w+)(\/preview)?$/.exec(what)
    if (edited) {
      const rows = [
        ...Object.entries(body.env ?? {}).map(([name, to]) => ({
          what: `env ${name}`,
          change: to === null ? 'removed' : 'added',
          before: to === null ? 'old' : null,
          after: to,
        })),
        ...Object.keys(body.files ?? {}).map((name) => ({
          what: `file ${name}`,
          change: 'changed',
          before: '1 line',
          after: '2 lines',
        })),
        ...(body.instances
          ? [
              {
                what: 'instances',
                change: 'changed',
                before: String(app.components[0].instances_wanted),
                after: String(body.instances),
              },
            ]
          : []),
        ...(body.resources
          ? [{ what: 'limits', change: 'changed', before: '512Mi', after: body.resources.memory_limit }]
          : []),
      ]
      if (edited[2]) return send(200, preview(app, rows))
      return send(
        202,
        run(
          app.name,
          'configure',
          `Configure ${app.name}`,
          ['decide', 'apply', 'start', 'shift', 'drain'],
          () => {
            for (const [name, to] of Object.entries(body.env ?? {})) {
              const env = app.components[0].env
              const old = env.findIndex((row) => row.name === name)
              if (old >= 0) env.splice(old, 1)
              if (to !== null) env.push({ name, value: to, secret: false, origin: 'yours' })
            }
            if (body.instances) app.components[0].instances_wanted = body.instances
            deployed(app.name, 'Configure')
          },
          app.releases[0].number + 1,
        ),
      )
    }
    if (what === '/logs') {
      const write = eventStream(response)
      const wanted = url.searchParams.get('instance')
      const names = app.components
        .flatMap((one) => one.instances.map((each) => each.name))
        .filter((name) => !wanted || name === wanted)
      let n = 0
      const say = (when) => {
        const [stream, text] = appLines[n % appLines.length]
        write('line', {
          at: new Date(when).toISOString(),
          component: 'web',
          instance: names[(n * 7) % names.length] ?? 'gone',
          stream,
          text,
        })
        n += 1
      }
      for (let i = 0; i < 240; i += 1) say(Date.now() - (240 - i) * 410)
      const timer = still ? undefined : setInterval(() => say(Date.now()), 400)
      request.on('close', () => clearInterval(timer))
      return
    }
    return notFound()
  })

  server.on('upgrade', (request, socket) => {
    const cookie = /pluvio_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
    if (!sessions.has(cookie) || !request.url.includes('/exec')) return socket.destroy()
    let line = ''
    const ws = webSocket(request, socket, (bytes, binary) => {
      if (!binary) return
      for (const char of bytes.toString()) {
        if (char === '\r') {
          if (line === 'exit') {
            ws.text(JSON.stringify({ exit: 0 }))
            return ws.close()
          }
          ws.binary(`\r\n${line === 'uname' ? 'Linux\r\n' : line ? `sh: ${line}: not found\r\n` : ''}/srv # `)
          line = ''
        } else {
          line += char
          ws.binary(char)
        }
      }
    })
    ws.binary('/srv # ')
  })
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    breached,
    newLink: () => {
      links.add('another-link')
      return 'another-link'
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
