import './styles/base.css'
import './styles/shell.css'
import { QueryClientProvider } from '@tanstack/preact-query'
import { render } from 'preact'
import { App } from './app.tsx'
import { queries } from './shell/gateway.ts'

const page = document.getElementById('page')
if (page !== null)
  render(
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>,
    page,
  )
