/** What stands in the place of a page that is not there, or that failed. */
import { type ErrorComponentProps, Link } from '@tanstack/react-router'
import { Compass } from 'lucide-react'
import { Problem } from '../api/problem'
import { useI18n } from '../i18n'
import { Empty, ProblemPanel } from '../ui/panels'

export function NotFound() {
  const { t } = useI18n()
  return (
    <div className="mx-auto max-w-[640px] p-6 pt-16">
      <div className="card">
        <Empty icon={Compass} title={t('notFound.title')} text={t('notFound.text')}>
          <Link to="/" className="font-medium text-accent-fg underline underline-offset-2">
            {t('notFound.home')}
          </Link>
        </Empty>
      </div>
    </div>
  )
}

export function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <div className="mx-auto max-w-[640px] p-6 pt-16">
      <ProblemPanel
        problem={Problem.of(error)}
        onRetry={() => {
          reset()
          location.reload()
        }}
      />
    </div>
  )
}
