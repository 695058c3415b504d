// Holds the mock server to crates/api/openapi.json: each request must be an operation of the document, and what the mock
// answers must have the shape that the document gives. So the console is never tested against an API that is not there.
import { readFileSync } from 'node:fs'

const document = JSON.parse(readFileSync(new URL('../../crates/api/openapi.json', import.meta.url), 'utf8'))
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({
    method: method.toUpperCase(),
    pattern: new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
    literal: path.split('{').length,
    path,
    operation,
  })),
)
// A path without variables goes before one that has some in the same place.
operations.sort((a, b) => a.literal - b.literal)

const resolve = (schema) =>
  schema?.$ref ? resolve(document.components.schemas[schema.$ref.split('/').at(-1)]) : schema

/** What is wrong with a value, as sentences; nothing when it fits. */
export function misfits(given, value, at = '') {
  const schema = resolve(given)
  if (schema === undefined || schema === true) return []
  if (schema.allOf)
    return schema.allOf.flatMap((one) => misfits(one, value, at)).concat(own(schema, value, at))
  const several = schema.oneOf ?? schema.anyOf
  if (several) {
    const each = several.map((one) => misfits(one, value, at))
    return each.some((one) => one.length === 0)
      ? []
      : [`${at}: fits none of ${several.length}: ${each[0]?.[0]}`]
  }
  return own(schema, value, at)
}

function own(schema, value, at) {
  if (schema.enum)
    return schema.enum.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is not one of ${schema.enum}`]
  const types = [schema.type ?? (schema.properties ? 'object' : undefined)].flat().filter(Boolean)
  if (types.length) {
    const is =
      value === null
        ? 'null'
        : Array.isArray(value)
          ? 'array'
          : Number.isInteger(value)
            ? 'integer'
            : typeof value
    if (!types.includes(is) && !(is === 'integer' && types.includes('number')))
      return [`${at}: ${is}, not ${types}`]
  }
  if (Array.isArray(value)) {
    if (schema.prefixItems)
      return schema.prefixItems.flatMap((one, i) => misfits(one, value[i], `${at}[${i}]`))
    return schema.items ? value.flatMap((one, i) => misfits(schema.items, one, `${at}[${i}]`)) : []
  }
  if (value && typeof value === 'object') {
    const wrong = (schema.required ?? [])
      .filter((name) => !(name in value))
      .map((name) => `${at}.${name} is missing`)
    for (const [name, inner] of Object.entries(schema.properties ?? {}))
      if (value[name] !== undefined) wrong.push(...misfits(inner, value[name], `${at}.${name}`))
    if (schema.additionalProperties && schema.additionalProperties !== true)
      for (const [name, inner] of Object.entries(value))
        if (!schema.properties?.[name])
          wrong.push(...misfits(schema.additionalProperties, inner, `${at}.${name}`))
    return wrong
  }
  return []
}

/** The operation of the document that a request asks for. */
export const operationOf = (method, path) =>
  operations.find((one) => one.method === method && one.pattern.test(path))

export const schemaNamed = (name) => document.components.schemas[name]

/** What is wrong with an answer to a request, or with the request itself. */
export function breaches(method, path, body, status, answer) {
  const found = operationOf(method, path)
  if (!found) return [`${method} ${path} is not in the document`]
  const { operation } = found
  const wrong = []
  const sent = operation.requestBody?.content?.['application/json']?.schema
  if (sent && body !== undefined) wrong.push(...misfits(sent, body, 'body'))
  if (status >= 400) return wrong.concat(misfits(schemaNamed('Problem'), answer, 'problem'))
  const response = operation.responses[String(status)]
  if (!response) return wrong.concat(`${found.path}: ${method} does not answer ${status}`)
  const schema = response.content?.['application/json']?.schema
  return schema ? wrong.concat(misfits(schema, answer, 'answer')) : wrong
}
