// A passkey's life against a real server, with an authenticator that Chromium plays.
import assert from 'node:assert/strict'

/** A device with a fingerprint reader that always knows its person. */
async function authenticator(page) {
  const protocol = await page.context().newCDPSession(page)
  await protocol.send('WebAuthn.enable')
  const { authenticatorId } = await protocol.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  const at = (what, more) => protocol.send(`WebAuthn.${what}`, { authenticatorId, ...more })
  return {
    credentials: async () => (await at('getCredentials')).credentials,
    verifies: (isUserVerified) => at('setUserVerified', { isUserVerified }),
    /** As a copy of the device would be that was made before the last uses. */
    turnBack: async (credential, signCount) => {
      await at('removeCredential', { credentialId: credential.credentialId })
      await at('addCredential', { credential: { ...credential, signCount } })
    },
  }
}

/** A link as `pluvio signin-link` makes it, asked for by whoever is signed in. */
async function link(page, url) {
  const session = await (await page.request.get(`${url}/api/v1/session`)).json()
  const answer = await page.request.post(`${url}/api/v1/signin-links`, {
    headers: { 'x-pluvio-csrf': session.csrf },
  })
  assert.equal(answer.status(), 201, await answer.text())
  return (await answer.json()).url
}

export async function passkeys({ check, open, target, accessible }) {
  await check('passkey: link, add, sign out, sign in with it, name, remove', async () => {
    const server = await target()
    const page = await open(server)
    // Devices take their time.
    page.setDefaultTimeout(20_000)
    const device = await authenticator(page)
    const overview = () =>
      page
        .getByRole('button', { name: /Language, theme, account/ })
        .first()
        .waitFor()
    const signOut = async () => {
      await page
        .getByRole('button', { name: /Language, theme, account/ })
        .first()
        .click()
      await page.getByRole('menuitem', { name: 'Sign out' }).click()
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    }
    const enter = page.getByRole('button', { name: 'Sign in with a passkey' })

    const address = await link(page, server.url)
    await page.context().clearCookies()
    await page.goto(address)
    await page.getByRole('button', { name: 'Add a passkey instead' }).click()
    await page.getByText('You have none yet.').waitFor()
    await accessible(page)
    await page.getByLabel('Name').fill('Test laptop')
    await page.keyboard.press('Enter')
    await page.getByText('Test laptop was added.').waitFor()
    const [made] = await device.credentials()
    assert.equal(made.rpId, 'localhost')
    assert.ok(made.isResidentCredential, 'it knows whom it is for')
    await accessible(page)
    // The same device is told that it is known, and makes no second one.
    await page.getByRole('button', { name: 'Add a passkey' }).click()
    await page.getByText('This device keeps a passkey for you already').waitFor()

    await page.getByRole('button', { name: 'To the console' }).click()
    await overview()
    await signOut()
    await accessible(page)
    await enter.focus()
    await page.keyboard.press('Enter')
    await overview()

    // Somebody else holds the device: it does not know them, and nobody is signed in.
    await signOut()
    await device.verifies(false)
    await enter.click()
    await page.getByText('The browser gave no passkey').waitFor()
    await device.verifies(true)

    // A copy of the device, whose counter is behind.
    const [used] = await device.credentials()
    assert.ok(used.signCount > 1, `it counts: ${used.signCount}`)
    await device.turnBack(used, 0)
    await enter.click()
    await page.getByText('The passkey is not accepted').waitFor()
    await device.turnBack(used, used.signCount + 1)
    await enter.click()
    await overview()

    // An answer that was heard cannot be sent again.
    await signOut()
    const sent = page.waitForRequest((one) => one.url().endsWith('/session/passkey'))
    await enter.click()
    await overview()
    const again = await page.request.post(`${server.url}/api/v1/session/passkey`, {
      data: (await sent).postDataJSON(),
    })
    assert.equal((await again.json()).code, 'auth.passkey')

    await page
      .getByRole('button', { name: /Language, theme, account/ })
      .first()
      .click()
    await page.getByRole('menuitem', { name: 'Passkeys' }).click()
    await page.getByText('Last used').waitFor()
    await page.getByRole('button', { name: 'Rename Test laptop' }).click()
    await page.getByLabel('Name').last().fill('测试')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Remove 测试' }).click()
    await accessible(page)
    await page.getByRole('button', { name: 'Remove', exact: true }).click()
    await page.getByText('You have none yet.').waitFor()
    await page.getByRole('button', { name: 'To the console' }).click()
    await overview()
    await signOut()
    // The device goes on keeping it; here it opens nothing.
    await enter.click()
    await page.getByText('The passkey is not accepted').waitFor()
    await page.done()
    server.close()
  })
}

export async function noPasskeys({ check, open, target, accessible }) {
  await check('passkey: where there can be none, the page says why', async () => {
    const server = await target({})
    const cases = [
      ['This browser has no passkeys.', () => Reflect.deleteProperty(window, 'PublicKeyCredential')],
      [
        'Passkeys need HTTPS, or the address localhost',
        () => Object.defineProperty(window, 'isSecureContext', { value: false }),
      ],
    ]
    for (const [words, without] of cases) {
      const page = await open(server, { signedIn: false })
      await page.addInitScript(without)
      await page.goto(`${server.url}/signin`)
      await page.getByText(words).waitFor()
      const enter = page.getByRole('button', { name: 'Sign in with a passkey' })
      assert.ok(await enter.isDisabled())
      await accessible(page)
      await page.done()
    }
    server.close()
  })
}
