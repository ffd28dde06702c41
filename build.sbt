// The pom is the build: project/QLoraBuild.scala reads it, project/QLoraSettings.scala adds what a pom cannot say to sbt.
