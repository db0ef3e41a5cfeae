export const NothingYet = () => (
  <div class="card empty">
    <h2>No generations yet</h2>
    <span>
      Ask for one on <a href="/">Compare</a>, or from a terminal:
    </span>
    <code class="command">npm run demo</code>
  </div>
)
