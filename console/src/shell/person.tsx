/** The person's menu: language, theme, keys, password, passkeys, sign out. */
import { Menu } from '@base-ui/react/menu'
import { useNavigate } from '@tanstack/react-router'
import { Check, Fingerprint, Keyboard, KeyRound, LogOut } from 'lucide-react'
import type { ReactNode } from 'react'
import { signOut } from '../api/queries'
import { type Language, setLanguage, useI18n } from '../i18n'
import { openKeysHelp } from './keys-help'
import { setTheme, type Theme, useTheme } from './preferences'

const item =
  'touch flex h-8 cursor-default items-center gap-2 rounded-md px-2 text-sm outline-none data-[highlighted]:bg-hover'

export function PersonMenuItems({ side }: { side: 'top' | 'bottom' }) {
  const { t, language } = useI18n()
  const theme = useTheme()
  const navigate = useNavigate()
  const tick = (
    <Menu.RadioItemIndicator className="ml-auto">
      <Check size={14} aria-hidden className="text-accent-fg" />
    </Menu.RadioItemIndicator>
  )
  const radio = (value: string, label: ReactNode) => (
    <Menu.RadioItem key={value} value={value} className={item}>
      {label}
      {tick}
    </Menu.RadioItem>
  )
  return (
    <Menu.Portal>
      <Menu.Positioner side={side} align="start" sideOffset={6} className="z-40">
        <Menu.Popup className="w-52 rounded-xl border border-line-2 bg-raised p-1.5 shadow-2 outline-none">
          <Menu.RadioGroup value={language} onValueChange={(next) => void setLanguage(next as Language)}>
            <Menu.GroupLabel className="eyebrow px-2 py-1">{t('person.language')}</Menu.GroupLabel>
            {radio('en', <span lang="en">English</span>)}
            {radio('zh', <span lang="zh-CN">中文</span>)}
          </Menu.RadioGroup>
          <Menu.RadioGroup value={theme} onValueChange={(next) => setTheme(next as Theme)}>
            <Menu.GroupLabel className="eyebrow px-2 pb-1 pt-2">{t('person.theme')}</Menu.GroupLabel>
            {radio('system', t('person.system'))}
            {radio('light', t('person.light'))}
            {radio('dark', t('person.dark'))}
          </Menu.RadioGroup>
          <Menu.Separator className="my-1.5 border-t" />
          <Menu.Item className={item} onClick={openKeysHelp}>
            <Keyboard size={14} aria-hidden className="text-fg-3" />
            {t('keys.title')}
          </Menu.Item>
          <Menu.Item className={item} onClick={() => void navigate({ to: '/password' })}>
            <KeyRound size={14} aria-hidden className="text-fg-3" />
            {t('person.password')}
          </Menu.Item>
          <Menu.Item className={item} onClick={() => void navigate({ to: '/passkeys' })}>
            <Fingerprint size={14} aria-hidden className="text-fg-3" />
            {t('passkey.title')}
          </Menu.Item>
          <Menu.Item className={item} onClick={() => void signOut().then(() => navigate({ to: '/signin' }))}>
            <LogOut size={14} aria-hidden className="text-fg-3" />
            {t('person.signOut')}
          </Menu.Item>
        </Menu.Popup>
      </Menu.Positioner>
    </Menu.Portal>
  )
}
