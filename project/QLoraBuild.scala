/** The pom is the build; sbt reads it. */
object QLoraBuild extends sbtpomreader.PomBuild
