// Whether what is typed can be stored now, and if not, why: work holds the project, or it is in use, or out of reach.

/** Why the project takes no edit now, in a sentence; "" where it does. */
export function heldWords(project, jobs) {
  const { running } = jobs;
  if (running?.holds) return `${running.name} is at work on the project.`;
  return project.trouble;
}

/**
 * Waits until everything typed is stored, but no longer than it takes to know that it cannot be now.
 * Gives "" where it is stored, else why not.
 */
export async function storedOrHeld(project, jobs) {
  let look;
  const held = new Promise((resolve) => {
    look = () => {
      const words = heldWords(project, jobs);
      if (words) resolve(words);
    };
  });
  project.addEventListener("trouble", look);
  jobs.addEventListener("job", look);
  try {
    const stored = project.settled().then(() => heldWords(project, jobs));
    look();
    return await Promise.race([stored, held]);
  } finally {
    project.removeEventListener("trouble", look);
    jobs.removeEventListener("job", look);
  }
}
