const slug = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
/** What names are made of; the server says the same. */
export const nameOk = (name: string) => slug.test(name) && name.length <= 63 && !name.includes('--')
