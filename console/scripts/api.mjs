// Writes src/api/schema.ts from crates/api/openapi.json: a type for each schema, and for each operation what goes in and
// comes out. `--check` only compares, and fails when the committed file is not what the document gives.
import { readFileSync, writeFileSync } from 'node:fs'

const source = new URL('../../crates/api/openapi.json', import.meta.url)
const target = new URL('../src/api/schema.ts', import.meta.url)

const document = JSON.parse(readFileSync(source, 'utf8'))
const word = /^[A-Za-z_$][\w$]*$/
const property = (name) => (word.test(name) ? name : JSON.stringify(name))
const typeName = (name) => name.replace(/[^A-Za-z0-9_$]+(.)?/g, (_, next) => (next ?? '').toUpperCase())

function comment(text, indent) {
  if (!text) return ''
  const lines = text.trim().replaceAll('*/', '*\\/').split('\n')
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`
}

const union = (parts) => [...new Set(parts)].join(' | ') || 'never'
const grouped = (text) => (/ [|&] /.test(text) ? `(${text})` : text)

function type(schema, indent = '') {
  if (schema === undefined || schema === true) return 'unknown'
  if (schema === false) return 'never'
  if (schema.$ref) return typeName(schema.$ref.split('/').at(-1))
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return union(schema.enum.map((value) => JSON.stringify(value)))
  const several = schema.oneOf ?? schema.anyOf
  if (several) {
    const choice = union(several.map((one) => type(one, indent)))
    return schema.properties ? `${object(schema, indent)} & ${grouped(choice)}` : choice
  }
  if (schema.allOf) {
    const all = schema.allOf.map((one) => grouped(type(one, indent)))
    if (schema.properties) all.push(object(schema, indent))
    return all.join(' & ')
  }
  if (Array.isArray(schema.type))
    return union(schema.type.map((one) => type({ ...schema, type: one }, indent)))
  switch (schema.type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'null':
      return 'null'
    case 'array':
      if (schema.prefixItems) return `[${schema.prefixItems.map((one) => type(one, indent)).join(', ')}]`
      return `${grouped(type(schema.items, indent))}[]`
    case 'object':
      return object(schema, indent)
    default:
      return schema.properties ? object(schema, indent) : 'unknown'
  }
}

function object(schema, indent) {
  const inner = `${indent}  `
  const required = new Set(schema.required ?? [])
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, value]) =>
      `${comment(value.description, inner)}${inner}${property(name)}${required.has(name) ? '' : '?'}: ${type(value, inner)}\n`,
  )
  const rest = schema.additionalProperties
  if (fields.length === 0) return rest ? `Record<string, ${type(rest, indent)}>` : 'Record<string, unknown>'
  if (rest && rest !== true) fields.push(`${inner}[key: string]: unknown\n`)
  return `{\n${fields.join('')}${indent}}`
}

let text = `// Written by \`npm run api\` from crates/api/openapi.json. Do not edit.\n\n`
for (const [name, schema] of Object.entries(document.components?.schemas ?? {})) {
  text += `${comment(schema.description, '')}export type ${typeName(name)} = ${type(schema)}\n\n`
}

const content = (part) => part?.content?.['application/json']?.schema
text += '/** Each operation: its query, what is sent and what comes back. */\nexport type Operations = {\n'
for (const [path, item] of Object.entries(document.paths ?? {})) {
  for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
    const operation = item[method]
    if (!operation) continue
    const query = (operation.parameters ?? []).filter((one) => one.in === 'query')
    const done = Object.entries(operation.responses ?? {}).filter(([status]) => status.startsWith('2'))
    const answer = union(
      done.map(([, response]) => (content(response) ? type(content(response), '    ') : 'string')),
    )
    text += comment(operation.summary, '  ')
    text += `  '${method.toUpperCase()} ${path}': {\n`
    const shape = object(
      {
        properties: Object.fromEntries(query.map((one) => [one.name, one.schema])),
        required: query.filter((one) => one.required).map((one) => one.name),
      },
      '    ',
    )
    text += `    query: ${query.length ? shape : 'undefined'}\n`
    text += `    body: ${content(operation.requestBody) ? type(content(operation.requestBody), '    ') : 'undefined'}\n`
    text += `    answer: ${answer}\n  }\n`
  }
}
text += '}\n'

if (process.argv.includes('--check')) {
  const committed = readFileSync(target, 'utf8')
  if (committed !== text) {
    console.error(
      'src/api/schema.ts is not what crates/api/openapi.json gives: run `npm run api` and commit it',
    )
    process.exit(1)
  }
} else {
  writeFileSync(target, text)
}
