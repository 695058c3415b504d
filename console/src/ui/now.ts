import { useEffect, useState } from 'react'

/** The time, once a second while something runs; still otherwise. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!running) return
    setNow(Date.now())
    const timer = setInterval(() => !document.hidden && setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [running])
  return now
}
